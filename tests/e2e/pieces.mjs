// Pieces of the default model on the CPU device, at its default settings.
//
// WebAssembly's numbers are the same everywhere: SIMD without the relaxed instructions, which the module
// does not use, is deterministic, and sums are added up in one order however many workers there are. So whoever changes a hash below has
// changed the music that a seed gives, and says so in the changelog.

/** SHA-256 of the samples as little-endian floats. */
export const PIECES = [
  { picture: "01.jpg", seed: 1, sha256: "a3ba49d5c95721238fe12d068361ae479b2834571c36e1307d25c6ca60fbabe1" },
  { picture: "06.jpg", seed: 2, sha256: "e8d221b5e7e5efc7010c4d3f55e8773ed70ec19426def1a80b6b78aa717aa2a1" },
  { picture: "11.jpg", seed: 3, sha256: "6dafc369c3d55daaf3a868ab8b21d5d7a84ae770e95e22b19957b691b8fc569f" },
];
