//! How each family plays a score.

mod beat;
mod struck;
mod sustained;

use super::{Genre, MusicFactors, dice::Dice, score::Step};

/// What a family is given.
struct Part<'a> {
    factors: &'a MusicFactors,
    steps: &'a [Step],
}

/// Adds the family's rendering of `steps` to `sound`.
pub fn play(factors: &MusicFactors, steps: &[Step], dice: &mut Dice, sound: &mut [f32]) {
    let part = Part { factors, steps };
    match factors.genre {
        Genre::AmbientPad => sustained::pad(&part, sound),
        Genre::Chorale => sustained::chorale(&part, sound),
        Genre::Drone => sustained::drone(&part, sound),
        Genre::Piano => struck::piano(&part, sound),
        Genre::PluckedStrings => struck::strings(&part, dice, sound),
        Genre::Bells => struck::bells(&part, sound),
        Genre::Chiptune => beat::chiptune(&part, dice, sound),
        Genre::Groove => beat::groove(&part, dice, sound),
    }
}
