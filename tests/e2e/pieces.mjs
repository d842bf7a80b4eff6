// Pieces of the default model on the CPU device, at its default settings.
//
// WebAssembly's numbers are the same everywhere: SIMD without the relaxed instructions, which the module
// does not use, is deterministic, and the device has one thread. So whoever changes a hash below has
// changed the music that a seed gives, and says so in the changelog.

/** SHA-256 of the samples as little-endian floats. */
export const PIECES = [
  { picture: "01.jpg", seed: 1, sha256: "b914edba6339f762822b760aabbdeb0f10404145e11657b857275ff436325fe3" },
  { picture: "06.jpg", seed: 2, sha256: "f2b29a8ee1a4c4b496d8a73c69289f82627c7c3e581cffb088aa493ecffcac9c" },
  { picture: "11.jpg", seed: 3, sha256: "dcaa9c9059fa0c037c800b067d2bc2d48dea7472a3b87beed33348d2bc11904d" },
];
