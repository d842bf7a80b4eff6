//! Synthetic pairs: a stand-in for ArtSound that needs no download.
//!
//! A pair begins with the factors of a picture, drawn at random. The factors of its music follow from
//! them by documented cross-modal correspondences, with noise; style and genre occur together with
//! uneven frequencies, as in figure 5 of the ArtToMus paper. [`picture`] paints the one,
//! [`music`] composes the other.
//!
//! | picture | music | after |
//! |---|---|---|
//! | brightness | register | Marks, "On associations of light and sound", 1974 |
//! | brightness, warmth | mode | Palmer et al., "Music-color associations are mediated by emotion", 2013 |
//! | saturation | loudness | Anikin and Johansson, "Implicit associations between individual properties of color and sound", 2019 |
//! | density | note rate | Palmer et al., 2013 (rate with saturation there; density is our reading) |
//! | hardness of edges | brightness of timbre | Adeli et al., "Audiovisual correspondence between musical timbre and visual shapes", 2014 |
//! | contrast | dynamics | our choice |
//! | regularity | regularity of rhythm | our choice |
//! | composition (centred or not) | fullness of harmony | our choice |

pub mod captions;
pub mod music;
mod pair;
pub mod picture;

pub use super::Split;
pub use pair::{Pair, asked_loudness};
