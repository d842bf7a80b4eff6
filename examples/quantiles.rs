//! Prints the table of `src/image/statistics/quantiles.rs`: how the statistics of training paintings, and the
//! warmth of pictures of any hue, are distributed.
//!
//! ```sh
//! cargo run --features train --example quantiles -- FOLDER
//! ```

use art2mus::{
    dataset::{
        Split,
        material::Paintings,
        paint::{PictureFactors, Style, paint},
    },
    image::{
        Picture,
        statistics::{Quantiles, Statistics, VIEW, WARMTH},
    },
};
use rand::{RngExt, SeedableRng};
use std::path::PathBuf;

/// Crops of a painting.
const CROPS: usize = 8;

fn main() -> art2mus::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: quantiles FOLDER");
        std::process::exit(2);
    };
    let paintings = Paintings::open(&folder)?;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let mut columns: [Vec<f32>; 8] = Default::default();
    for crop in paintings.crops(Split::Training, CROPS, &mut rng) {
        let statistics = Statistics::measure(&paintings.picture(&crop)?);
        for (column, value) in columns.iter_mut().zip(statistics.values()) {
            column.push(value);
        }
    }
    for picture in 0..columns[WARMTH].len() {
        let picture = of_any_hue(&mut rng, picture)?;
        columns[WARMTH].push(Statistics::measure(&picture).warmth);
    }
    println!(
        "// {} crops of {} paintings",
        columns[0].len(),
        paintings.count(Split::Training)
    );
    for column in columns {
        let values = Quantiles::of(column)
            .values
            .map(|value| format!("{value:.4}"));
        println!(
            "    Quantiles {{\n        values: [{}],\n    }},",
            values.join(", ")
        );
    }
    Ok(())
}

/// A picture painted here, anywhere between the coolest and the warmest.
fn of_any_hue(rng: &mut impl rand::Rng, number: usize) -> art2mus::Result<Picture> {
    let mut unit = || rng.random_range(0.0..1.0);
    let factors = PictureFactors {
        style: Style::ALL[number % Style::ALL.len()],
        brightness: unit(),
        contrast: unit(),
        saturation: unit(),
        warmth: unit(),
        density: unit(),
        hardness: unit(),
        regularity: unit(),
        composition: unit(),
    };
    let painted = paint(&factors, number as u64, VIEW as u32);
    Picture::from_rgb(painted.into_raw(), VIEW, VIEW)
}
