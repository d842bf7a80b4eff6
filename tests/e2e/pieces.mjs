// Pieces of the default model on the CPU device, at its default settings.
//
// WebAssembly's numbers are the same everywhere: SIMD without the relaxed instructions, which the module
// does not use, is deterministic, and sums are added up in one order however many workers there are. So whoever changes a hash below has
// changed the music that a seed gives, and says so in the changelog.

/** SHA-256 of the samples as little-endian floats. */
export const PIECES = [
  { picture: "01.jpg", seed: 1, sha256: "ecae1da1185a65ba98a10349f65559ffed1e2f8b4c95d994e476e6c66a4d71be" },
  { picture: "06.jpg", seed: 2, sha256: "72dd667bd6e040575cc01b4c6578d9a660899cd3dcf4b1ae6a99f88d4022ab76" },
  { picture: "11.jpg", seed: 3, sha256: "dfd06de23a37381db28caae2e50f219be6181fef8ecae23dce1da67d2b1e966a" },
];
