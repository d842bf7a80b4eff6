// Pieces of the default model on the CPU device, at its default settings.
//
// WebAssembly's numbers are the same everywhere: SIMD without the relaxed instructions, which the module
// does not use, is deterministic, and the device has one thread. So whoever changes a hash below has
// changed the music that a seed gives, and says so in the changelog.

/** SHA-256 of the samples as little-endian floats. */
export const PIECES = [
  { picture: "01.jpg", seed: 1, sha256: "984be00300b918e52ca6ba1209584ef6a710211f6fef05c93b8257d0c4d61e06" },
  { picture: "06.jpg", seed: 2, sha256: "b034c2f6fab67247ec901221916c83e29814fe60055a4023c5b2c227c6573e24" },
  { picture: "11.jpg", seed: 3, sha256: "5d3c30c669dca046bfac6efe07b094ef6f1ff025b65c6bc8ba95e3791d24e06c" },
];
