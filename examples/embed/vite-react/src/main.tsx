// A picture of public/painting.jpg. Vite moves the package's own files; the model's folder is copied by `npm run models`.

import "art2mus/element";
import type { ArtToMus } from "art2mus/element";
import type {} from "art2mus/react";
import { useRef, useState } from "react";
import { createRoot } from "react-dom/client";

function Painting() {
  const element = useRef<ArtToMus>(null);
  const [said, say] = useState("");
  return (
    <>
      <art-to-mus
        ref={element}
        src="painting.jpg"
        alt="A painting"
        bundle="models/default/"
        seconds={5}
        seed={1}
        device="wasm"
        controls
        onart2mus-done={({ detail }) => say(`Seed ${detail.seed}, ${detail.samples.length / detail.sampleRate} seconds.`)}
        onart2mus-error={({ detail }) => say(`${detail.message} ${detail.hint}`)}
      />
      <button onClick={() => void element.current?.play()}>Listen</button>
      <p id="said">{said}</p>
    </>
  );
}

createRoot(document.getElementById("root")!).render(<Painting />);
