//! How much work one UNet call is: for time estimates, never for measurements.

use super::config::{Level, UnetConfig};
use crate::Result;

impl UnetConfig {
    /// Floating-point operations of one call on one latent of `rows` by `columns`, with `audio`
    /// Language-of-Audio tokens and `text` prompt states.
    pub fn flops(&self, rows: usize, columns: usize, audio: usize, text: usize) -> Result<u64> {
        let levels = self.levels()?;
        let first = levels[0].channels;
        let patch = self.patch();
        let all = [rows, columns].map(|n| n.div_ceil(patch));
        let mut size = all;
        let mut sizes = Vec::new();
        let mut skips = vec![first];
        let mut channels = first;
        let mut total = conv(size, self.in_channels * patch * patch, first, 3);
        for (i, level) in levels.iter().enumerate() {
            sizes.push(size);
            for _ in 0..level.resnets {
                total += resnet(size, channels, level.channels);
                total += transformers(size, level, audio, text);
                channels = level.channels;
                skips.push(channels);
            }
            if i + 1 < levels.len() {
                size = size.map(|n| n.div_ceil(2));
                total += conv(size, channels, channels, 3);
                skips.push(channels);
            }
        }
        let mut deepest = levels[levels.len() - 1].clone();
        deepest.contexts = self.mid_contexts(&levels);
        total += 2 * resnet(size, channels, channels) + transformers(size, &deepest, audio, text);
        for (i, level) in levels.iter().enumerate().rev() {
            for _ in 0..=level.resnets {
                let skip = skips.pop().unwrap_or(0);
                total += resnet(sizes[i], channels + skip, level.channels);
                total += transformers(sizes[i], level, audio, text);
                channels = level.channels;
            }
            if i > 0 {
                total += conv(sizes[i - 1], channels, channels, 3);
            }
        }
        Ok(total + conv(all, first, self.out_channels * patch * patch, 3))
    }
}

fn conv(size: [usize; 2], inputs: usize, outputs: usize, kernel: usize) -> u64 {
    // In u64: a browser's usize has 32 bits.
    let factors = [size[0], size[1], inputs, outputs, kernel, kernel];
    2 * factors.map(|n| n as u64).iter().product::<u64>()
}

fn resnet(size: [usize; 2], inputs: usize, outputs: usize) -> u64 {
    let shortcut = if inputs == outputs {
        0
    } else {
        conv(size, inputs, outputs, 1)
    };
    conv(size, inputs, outputs, 3) + conv(size, outputs, outputs, 3) + shortcut
}

fn transformers(size: [usize; 2], level: &Level, audio: usize, text: usize) -> u64 {
    let (n, c) = (size[0] as u64 * size[1] as u64, level.channels as u64);
    let one = |(i, context): (usize, &Option<usize>)| {
        let (keys, width) = match context {
            None => (n, c),
            Some(width) if i <= 1 => (audio as u64, *width as u64),
            Some(width) => (text as u64, *width as u64),
        };
        let own = 8 * n * c * c + 4 * n * n * c;
        let other = 4 * n * c * c + 4 * keys * width * c + 4 * n * keys * c;
        let feed = 2 * n * c * 12 * c;
        4 * n * c * c + level.blocks as u64 * (own + other + feed)
    };
    level.contexts.iter().enumerate().map(one).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published network: 85.2 G multiply-adds at 10.24 s, 83.5 G at 10 s.
    #[test]
    fn agrees_with_the_counted_budget() {
        let config = UnetConfig::default();
        for (rows, macs) in [(256, 85.2e9), (250, 83.5e9)] {
            let flops = config.flops(rows, 16, 8, 9).unwrap() as f64;
            let ratio = flops / (2.0 * macs);
            assert!((0.97..1.03).contains(&ratio), "{rows} rows: {ratio}");
        }
    }
}
