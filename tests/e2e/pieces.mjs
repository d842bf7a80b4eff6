// Pieces of the default model on the CPU device, at its default settings.
//
// WebAssembly's numbers are the same everywhere: SIMD without the relaxed instructions, which the module
// does not use, is deterministic, and sums are added up in one order however many workers there are. So whoever changes a hash below has
// changed the music that a seed gives, and says so in the changelog.

/** SHA-256 of the samples as little-endian floats. */
export const PIECES = [
  { picture: "01.jpg", seed: 1, sha256: "36aad73061d5f4746a98fa514b8ce03b68241a8c18a782aa8a98030970e45730" },
  { picture: "06.jpg", seed: 2, sha256: "cb6da8acbbcd13084845c5243d8fe76d9ca1f0e5f4865f0aad1c6f940f33e52e" },
  { picture: "11.jpg", seed: 3, sha256: "f91aefc312151a4356efbf963c2386e54e1eae4688941dece272c9e387f781ea" },
];
