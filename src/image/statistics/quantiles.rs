//! How the statistics of real paintings are distributed.

/// The values that 0, 5, 10, … and 100 % of paintings are below.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantiles {
    /// The values, in ascending order.
    pub values: [f32; 21],
}

impl Quantiles {
    /// The quantiles of some values, of which there must be one.
    pub fn of(mut values: Vec<f32>) -> Self {
        values.sort_by(f32::total_cmp);
        let last = values.len().saturating_sub(1) as f32;
        let at = |share: f32| {
            let place = share * last;
            let (low, high) = (place.floor() as usize, place.ceil() as usize);
            values[low] + (values[high] - values[low]) * place.fract()
        };
        Self {
            values: std::array::from_fn(|i| at(i as f32 / 20.0)),
        }
    }

    /// The value that a share of paintings is below: the inverse of [`rank`](Self::rank).
    pub fn value(&self, rank: f32) -> f32 {
        let place = 20.0 * rank.clamp(0.0, 1.0);
        let below = (place as usize).min(19);
        let (low, high) = (self.values[below], self.values[below + 1]);
        low + (high - low) * (place - below as f32)
    }

    /// The share of paintings that have less than `value`, 0 to 1.
    pub fn rank(&self, value: f32) -> f32 {
        let above = self.values.partition_point(|step| *step <= value);
        if above == 0 {
            return 0.0;
        }
        let Some(next) = self.values.get(above) else {
            return 1.0;
        };
        let below = self.values[above - 1];
        let part = (value - below) / (next - below);
        (above as f32 - 1.0 + part) / 20.0
    }
}

/// The quantiles of all statistics in the order of [`Statistics::values`](super::Statistics::values).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Table(pub [Quantiles; 8]);

/// Measured on 736 crops of 92 paintings of the Metropolitan Museum of Art (those of the training split) by
/// `cargo run --features train --example quantiles -- FOLDER`; warmth also on as many pictures painted here
/// whose hues are anywhere between the coolest and the warmest. Nine of ten of the crops have a warmth above 0.4
/// (brown and yellow), and among them alone a picture in orange and red would count as cool.
#[rustfmt::skip]
pub const QUANTILES: Table = Table([
    Quantiles {
        values: [3.8744, 14.5089, 17.3489, 20.1571, 22.2053, 23.6598, 25.6974, 27.6161, 28.9517, 30.1647, 31.2362, 32.3355, 33.6850, 37.1517, 40.3192, 42.9070, 45.5335, 48.5966, 51.5390, 58.2782, 69.3315],
    },
    Quantiles {
        values: [4.3792, 8.0493, 9.1653, 10.2065, 11.0418, 11.9563, 12.6758, 13.3933, 14.0113, 14.7523, 15.4660, 15.8998, 16.3510, 16.7369, 17.3427, 18.0000, 19.5349, 20.7700, 21.9203, 24.8287, 32.0363],
    },
    Quantiles {
        values: [3.4674, 8.2010, 9.2594, 10.2683, 10.9042, 11.7094, 12.1825, 12.9190, 13.5263, 14.1509, 14.8580, 15.6896, 16.5980, 17.6721, 18.9621, 20.1972, 22.5076, 24.6868, 30.3438, 33.5875, 44.3736],
    },
    Quantiles {
        values: [-0.9234, -0.6256, -0.4421, -0.2983, -0.1551, -0.0040, 0.1430, 0.2672, 0.3853, 0.5019, 0.6174, 0.7120, 0.7606, 0.7939, 0.8187, 0.8412, 0.8638, 0.8804, 0.8986, 0.9202, 0.9499],
    },
    Quantiles {
        values: [0.8984, 2.0561, 2.1759, 2.2289, 2.2975, 2.3420, 2.3720, 2.3956, 2.4182, 2.4408, 2.4615, 2.4887, 2.5284, 2.5660, 2.6049, 2.6467, 2.6894, 2.7592, 2.8660, 3.1223, 5.6990],
    },
    Quantiles {
        values: [0.0650, 0.1744, 0.1973, 0.2093, 0.2233, 0.2354, 0.2493, 0.2603, 0.2755, 0.2858, 0.2986, 0.3078, 0.3171, 0.3257, 0.3378, 0.3547, 0.3663, 0.3827, 0.4046, 0.4378, 0.5091],
    },
    Quantiles {
        values: [-0.4943, -0.2765, -0.2234, -0.1884, -0.1678, -0.1435, -0.1210, -0.1032, -0.0846, -0.0668, -0.0536, -0.0394, -0.0220, -0.0054, 0.0089, 0.0303, 0.0502, 0.0771, 0.1151, 0.1661, 0.4565],
    },
    Quantiles {
        values: [0.0697, 0.0923, 0.0976, 0.1012, 0.1053, 0.1109, 0.1145, 0.1187, 0.1223, 0.1269, 0.1320, 0.1377, 0.1432, 0.1524, 0.1619, 0.1728, 0.1890, 0.2071, 0.2284, 0.2992, 0.5982],
    },
]);
