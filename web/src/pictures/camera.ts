/** The camera of this machine: photographs, and the camera is off in between. */

import { Art2MusError, toError } from "../common/errors.js";
import { text } from "../common/texts.js";

/** Pixels that the longer side should have; the networks see far fewer. */
const WIDTH = 1024;
/** How long a camera may take until its picture has brightness and colours that stay. */
const SETTLE_MS = 700;

/** Takes one photograph, as a JPEG file. */
export async function photograph(signal?: AbortSignal): Promise<Blob> {
  const stream = await openCamera();
  try {
    const video = document.createElement("video");
    video.muted = true;
    video.playsInline = true;
    video.srcObject = stream;
    await video.play();
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    signal?.throwIfAborted();
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    video.srcObject = null;
    return await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
  } finally {
    for (const track of stream.getTracks()) track.stop();
  }
}

async function openCamera(): Promise<MediaStream> {
  try {
    // On plain http there is none, which the types do not know.
    const devices = navigator.mediaDevices as MediaDevices | undefined;
    if (devices === undefined) throw new Error(text("camera.insecure"));
    return await devices.getUserMedia({ video: { width: { ideal: WIDTH } } });
  } catch (thrown) {
    const { name, message: reason } = thrown instanceof Error ? thrown : toError(thrown);
    const message = name === "NotAllowedError" ? text("camera.refused") : text("camera.none", { reason });
    throw new Art2MusError({ name: "Unsupported", message, hint: text("camera.hint") });
  }
}
