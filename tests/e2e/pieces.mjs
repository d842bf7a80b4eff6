// Pieces of the default model on the CPU device, at its default settings.
//
// WebAssembly's numbers are the same everywhere: SIMD without the relaxed instructions, which the module
// does not use, is deterministic, and sums are added up in one order however many workers there are. So whoever changes a hash below has
// changed the music that a seed gives, and says so in the changelog.

/** SHA-256 of the samples as little-endian floats. */
export const PIECES = [
  { picture: "01.jpg", seed: 1, sha256: "6ac81139002de32760eeb785a5cbbdd4a6b7f1239a6f421ab12bd1858528f5c6" },
  { picture: "06.jpg", seed: 2, sha256: "0e4cbf56fed2cc2ae6bf6e86da53a0dbf85c7f6ff96523023dbee96bea72c9bb" },
  { picture: "11.jpg", seed: 3, sha256: "fa9ac13e41a8e5ec21943db89c92b7c236f8b541006bb496d029a946e97aafc2" },
];
