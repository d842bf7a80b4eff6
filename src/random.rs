//! Random numbers that are the same on every device: drawn on the CPU, from ChaCha20.

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use rand_distr::{Distribution, StandardNormal};

/// `count` draws from the standard normal distribution: ChaCha20 seeded with `seed`, on stream
/// `stream`, in the order of the tensor's elements.
pub fn standard_normal(seed: u64, stream: u64, count: usize) -> Vec<f32> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let draws = Distribution::<f32>::sample_iter(StandardNormal, rng);
    draws.take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::standard_normal;

    #[test]
    fn draws_repeat_and_are_standard_normal() {
        let noise = standard_normal(7, 0, 20_000);
        assert_eq!(noise[..64], standard_normal(7, 0, 64));
        assert_ne!(noise[..64], standard_normal(8, 0, 64));
        assert_ne!(noise[..64], standard_normal(7, 1, 64));
        let mean = noise.iter().sum::<f32>() / noise.len() as f32;
        let variance = noise.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / noise.len() as f32;
        // Standard errors: 0.007 and 0.01.
        assert!(
            mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04,
            "{mean} {variance}"
        );
    }
}
