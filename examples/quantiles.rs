//! Prints the table of `src/image/statistics/quantiles.rs`: how the statistics of training paintings are
//! distributed.
//!
//! ```sh
//! cargo run --features train --example quantiles -- FOLDER
//! ```

use art2mus::{
    dataset::{Split, material::Paintings},
    image::statistics::{Quantiles, Statistics},
};
use rand::SeedableRng;
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
