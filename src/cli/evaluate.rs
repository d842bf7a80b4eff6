//! `art2mus evaluate`: measures a bundle on pairs that no training has seen.

use super::{bundle_location, material::MaterialArguments, print_json, print_line};
use crate::{
    Error, Result,
    dataset::{BundleNetworks, Rendered, Split},
    device::{self, Device, DeviceChoice},
    evaluate::{Difference, Extent, PICTURE, Report, evaluate},
    ops::Kernels,
    weights::{Bundle, Location},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A folder or address; the default model when left out.
    #[arg(long)]
    bundle: Option<String>,
    /// Pictures that become music.
    #[arg(long, default_value_t = Extent::default().pictures)]
    pictures: usize,
    /// Pictures that become music with an untrained aligner.
    #[arg(long, default_value_t = Extent::default().untrained)]
    untrained: usize,
    /// Tracks that go through the VAE and the vocoder.
    #[arg(long, default_value_t = Extent::default().tracks)]
    tracks: usize,
    /// Triplets of matching.
    #[arg(long, default_value_t = Extent::default().triplets)]
    triplets: usize,
    /// Measure nothing but how far the bundle is from this one, which holds the same networks with other
    /// weights: what packing costs.
    #[arg(long, value_name = "BUNDLE")]
    against: Option<String>,
    /// What to compute on.
    #[arg(long, value_enum, default_value = "cpu")]
    device: DeviceChoice,
    /// The pairs that are measured on; those of final once, when a model is finished.
    #[arg(long, value_enum, default_value = "test")]
    split: Split,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    material: MaterialArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let extent = Extent {
        pictures: arguments.pictures,
        untrained: arguments.untrained,
        tracks: arguments.tracks,
        triplets: arguments.triplets,
    };
    if extent.pictures < 8 || extent.untrained < 2 || extent.tracks == 0 || extent.triplets == 0 {
        return Err(Error::input(
            "so few items say nothing",
            "measure at least 8 pictures, 2 of them untrained, 1 track and 1 triplet",
        ));
    }
    let location = bundle_location(arguments.bundle.as_deref())?;
    let bundle = pollster::block_on(Bundle::open(location))?;
    let json = arguments.json;
    let note = |text: &str| {
        if !json {
            eprintln!("{text}");
        }
    };
    let other = match &arguments.against {
        Some(other) => Some(pollster::block_on(Bundle::open(Location::parse(other)))?),
        None => None,
    };
    let job = Job {
        arguments,
        bundle: &bundle,
        other: other.as_ref(),
        extent,
        note: &note,
        json,
    };
    match device::choose(arguments.device)? {
        Device::Cpu => job.run::<crate::ops::Cpu>(),
        #[cfg(feature = "wgpu")]
        Device::Wgpu { .. } => job.run::<crate::ops::Gpu>(),
        #[cfg(feature = "cuda")]
        Device::Cuda => job.run::<burn::backend::Cuda>(),
        #[cfg(feature = "libtorch")]
        Device::Libtorch => job.run::<burn::backend::LibTorch>(),
    }
}

/// What is to be measured, on whatever device.
struct Job<'a> {
    arguments: &'a Arguments,
    bundle: &'a Bundle,
    other: Option<&'a Bundle>,
    extent: Extent,
    note: &'a dyn Fn(&str),
    json: bool,
}

impl Job<'_> {
    fn run<B: Kernels>(&self) -> Result<()> {
        let device = Default::default();
        if let Some(other) = self.other {
            let pictures = self.extent.pictures;
            let difference = Difference::measure::<B>(self.bundle, other, &device, pictures)?;
            if self.json {
                return print_json(&difference);
            }
            return print_line(&format!(
                "{} pictures: cosine of embeddings at least {:.5}, log-mel distance {:.3} on average, {:.3} at most",
                difference.pictures,
                difference.embedding_cosine,
                difference.log_mel,
                difference.worst_log_mel
            ));
        }
        let seconds = BundleNetworks::new(self.bundle)?.seconds();
        let material = self.arguments.material.open(Some(seconds))?;
        material.check_instruments()?;
        let source = Rendered::new(material, self.arguments.split, PICTURE);
        let report = evaluate::<B>(self.bundle, &source, &device, self.extent, self.note)?;
        if self.json {
            return print_json(&report);
        }
        print_line(&table(&report))
    }
}

/// All figures as a person reads them.
fn table(report: &Report) -> String {
    let mut lines = vec![format!(
        "{}, {} pictures",
        report.model, report.extent.pictures
    )];
    let mut line = |text: String| lines.push(text);

    let resynthesis = &report.resynthesis;
    let (ours, theirs) = (resynthesis.model, resynthesis.griffin_lim);
    line(String::new());
    line(format!(
        "Resynthesis of {} tracks         VAE + vocoder   Griffin-Lim",
        resynthesis.tracks
    ));
    line(format!(
        "  log-spectral distance, dB            {:8.2}      {:8.2}",
        ours.log_spectral_db, theirs.log_spectral_db
    ));
    line(format!(
        "  multi-resolution STFT loss           {:8.2}      {:8.2}",
        ours.multi_resolution, theirs.multi_resolution
    ));

    let conditioning = &report.conditioning;
    line(String::new());
    let given = |value: Option<f64>| value.map_or("     -".into(), |value| format!("{value:6.2}"));
    line("Conditioning (Spearman)            generated  +-     from music  ceiling".into());
    for factor in &conditioning.factors {
        line(format!(
            "  {:33} {:6.2}   {:4.2}      {}   {:6.2}",
            factor.factor,
            factor.generated,
            factor.standard_error,
            given(factor.from_music),
            factor.ceiling
        ));
    }
    line(format!(
        "  {:33} {:6.2}             {}   {:6.2}",
        "mean",
        conditioning.mean,
        given(conditioning.mean_from_music),
        conditioning.mean_ceiling
    ));
    line(format!("  {:33} {:7.3}", "shuffled", conditioning.shuffled));

    let matching = &report.matching;
    line(String::new());
    line(format!("Matching, {} triplets", matching.triplets));
    for (name, share) in [
        ("own piece closer", matching.generated),
        ("with an untrained aligner", matching.untrained),
        ("with the music that belongs to it", matching.ceiling),
    ] {
        line(format!("  {name:36} {:5.1} %", 100.0 * share));
    }

    let quality = &report.quality;
    let frechet = &quality.frechet;
    line(String::new());
    line("Quality".into());
    for (name, distance) in [
        ("Fréchet distance: generated", frechet.generated),
        ("  other music", frechet.music),
        ("  resynthesised music", frechet.resynthesised),
        ("  noise", frechet.noise),
        ("  silence", frechet.silence),
    ] {
        line(format!("  {name:36} {distance:6.3}"));
    }
    line(format!(
        "  silent {}, clipped {}, with DC {}, of {}",
        quality.silent, quality.clipped, quality.dc, quality.pieces
    ));
    line(format!(
        "  loudness off by {:.1} dB on average, {:+.1} dB signed",
        quality.loudness_error_db, quality.loudness_bias_db
    ));

    line(String::new());
    line("Other pictures".into());
    for other in &report.robustness {
        let verdict = if other.good { "good" } else { "BAD" };
        line(format!(
            "  {:36} {verdict}   {:6.1} dBFS, peak {:.2}",
            other.picture, other.loudness_db, other.peak
        ));
    }
    line(String::new());
    line(format!("A piece takes {:.0} ms here", report.milliseconds));
    lines.join("\n")
}
