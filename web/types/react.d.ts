/**
 * Lets React's JSX know `<art-to-mus>`: `import type {} from "art2mus/react"` once in a project.
 */

import type { DetailedHTMLProps, HTMLAttributes } from "react";
import type { ArtToMus, ArtToMusAttributes } from "../dist/element.js";

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "art-to-mus": DetailedHTMLProps<Omit<HTMLAttributes<ArtToMus>, keyof ArtToMusAttributes> & ArtToMusAttributes, ArtToMus>;
    }
  }
}
