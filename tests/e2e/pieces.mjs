// Pieces of the default model on the CPU device, at its default settings.
//
// WebAssembly's numbers are the same everywhere: SIMD without the relaxed instructions, which the module
// does not use, is deterministic, and sums are added up in one order however many workers there are. So whoever changes a hash below has
// changed the music that a seed gives, and says so in the changelog.

/** SHA-256 of the samples as little-endian floats. */
export const PIECES = [
  { picture: "01.jpg", seed: 1, sha256: "06f7e57fae3d834d96588f8a0b3aedacb8c5e2b92b9b079a095751141ee5803a" },
  { picture: "06.jpg", seed: 2, sha256: "a99fbb741d014a1bbec0d42c023e31773cf1e1f042e630a271e3f577f09dd970" },
  { picture: "11.jpg", seed: 3, sha256: "5ea13dc95c9a71a0b2d31564bfbfb4791d2302a33b9e00b5a972b938b9ccf381" },
];
