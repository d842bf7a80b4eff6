// Pieces of the default model on the CPU device, at its default settings.
//
// WebAssembly's numbers are the same everywhere: SIMD without the relaxed instructions, which the module
// does not use, is deterministic, and the device has one thread. So whoever changes a hash below has
// changed the music that a seed gives, and says so in the changelog.

/** SHA-256 of the samples as little-endian floats. */
export const PIECES = [
  { picture: "01.jpg", seed: 1, sha256: "2419fb2023348f4003dcbef26bbe6ac4fc4357790035c491b3e4385adca1edbe" },
  { picture: "06.jpg", seed: 2, sha256: "e473f020b2c52debdcb820f9395ffef59ea5040e8b00d75c3b32b23b33801e59" },
  { picture: "11.jpg", seed: 3, sha256: "6959650f5c4a4a5c636f0f97f437d33266eb1b06e4ce2503628b7c1863ca46f4" },
];
