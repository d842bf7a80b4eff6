// The client without the element: a button of this page's own makes music from static/painting.jpg.

import { create } from "art2mus";

const [button, audio, said] = ["button", "audio", "#said"].map((selector) => document.querySelector(selector));

button.addEventListener("click", async () => {
  button.disabled = true;
  try {
    const art2mus = await create({ bundle: "models/default/", device: "wasm" });
    const generation = art2mus.generate(new URL("painting.jpg", document.baseURI), { seconds: 5, seed: 1 });
    for await (const event of generation) {
      if (event.type === "step") said.textContent = `${event.step} of ${event.steps}`;
    }
    const { seed, wav, samples, sampleRate } = await generation.result;
    audio.src = URL.createObjectURL(wav());
    said.textContent = `Seed ${seed}, ${samples.length / sampleRate} seconds.`;
    art2mus.dispose();
  } catch ({ message, hint }) {
    said.textContent = `${message} ${hint}`;
  }
  button.disabled = false;
});
