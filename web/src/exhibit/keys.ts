/** The keys of staff, and of a remote control that acts as a keyboard. */

export type Action = "stop" | "louder" | "quieter" | "next" | "log" | "fullScreen" | "close";

/** By `KeyboardEvent.key`; presenters send Page Down for "next" and a full stop for "dark". */
const ACTIONS: Record<string, Action> = {
  s: "stop",
  ".": "stop",
  MediaPlayPause: "stop",
  MediaStop: "stop",
  "+": "louder",
  "=": "louder",
  AudioVolumeUp: "louder",
  "-": "quieter",
  AudioVolumeDown: "quieter",
  n: "next",
  PageDown: "next",
  MediaTrackNext: "next",
  l: "log",
  f: "fullScreen",
  Escape: "close",
};

export class Keys {
  constructor(act: (action: Action) => void) {
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const action = ACTIONS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (action === undefined) return;
      if (event.repeat && action !== "louder" && action !== "quieter") return;
      if (action !== "close") event.preventDefault();
      act(action);
    });
  }
}
