//! How long pairing takes, on random embeddings: `pairing TRACKS PICTURES [WIDTH] [SPREAD]`.
//!
//! All vectors are a common one plus SPREAD times noise. The smaller SPREAD is, the more tracks want the same few pictures,
//! and the more often is searched again; without it vectors are noise alone.

use art2mus::{
    Error, Result,
    dataset::{Embeddings, pairing::pair},
    random::standard_normal,
};
use std::time::Instant;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|text| text.parse::<f32>().ok());
    let (Some(tracks), Some(pictures)) = (number(), number()) else {
        return Err(Error::input(
            "nothing to measure",
            "give two numbers of embeddings: 10000 11000",
        ));
    };
    let (width, spread) = (number().unwrap_or(1024.0) as usize, number());
    let common = standard_normal(0, 0, width);
    let make = |count: f32, stream: u64| {
        let mut values = standard_normal(1, stream, count as usize * width);
        if let Some(spread) = spread {
            for (i, value) in values.iter_mut().enumerate() {
                *value = spread * *value + common[i % width];
            }
        }
        let names = (0..count as usize).map(|i| format!("{i:06}")).collect();
        Embeddings::new(names, values)
    };
    let (tracks, pictures) = (make(tracks, 1)?, make(pictures, 2)?);
    let start = Instant::now();
    let pairs = pair(&tracks, &pictures, &|_, _, _| {})?;
    let seconds = start.elapsed().as_secs_f64();
    let mean = pairs.iter().map(|pair| pair.similarity).sum::<f64>() / pairs.len() as f64;
    println!(
        "{} pairs in {seconds:.1} s, mean similarity {mean:.4}",
        pairs.len()
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(line) = status.lines().find(|line| line.starts_with("VmHWM:")) {
        println!("{line}");
    }
    Ok(())
}
