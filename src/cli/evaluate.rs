//! `art2mus evaluate`: measures a bundle on pairs that no training has seen.

mod openings;
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    bundle_location,
    material::MaterialArguments,
    on_device::{Computation, on_device},
    print_json, print_line,
};
use crate::{
    Error, Result,
    audio::{SAMPLE_RATE, wav},
    dataset::{BundleNetworks, Rendered, Split},
    device::{DeviceChoice, choose},
    evaluate::{Difference, Extent, Listener, PICTURE, evaluate},
    files::{self, UnfinishedFolder},
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
    /// Pictures with a second piece, and minimal pairs of pictures.
    #[arg(long, default_value_t = Extent::default().variations)]
    variations: usize,
    /// Measure nothing but how far the bundle is from this one, which holds the same networks with other
    /// weights: what packing costs.
    #[arg(long, value_name = "BUNDLE")]
    against: Option<String>,
    /// What to compute on.
    #[arg(long, value_enum, default_value = "cpu")]
    device: DeviceChoice,
    /// Measure on the pairs that are kept for the last table of a finished model. Each opening is noted in --openings.
    #[arg(long = "final")]
    last: bool,
    /// Where openings of the last pairs are noted, a line of JSON each.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "final-openings.jsonl",
        requires = "last"
    )]
    openings: PathBuf,
    /// Measure on the pairs that training is watched with.
    #[arg(long, conflicts_with = "last")]
    validation: bool,
    /// A new folder for all sounds that are measured, a folder for each set, so that other judges can hear them: WAV files
    /// named by picture and, where they were generated, seed.
    #[arg(long, value_name = "FOLDER", conflicts_with = "against")]
    sounds: Option<PathBuf>,
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
        variations: arguments.variations,
    };
    let few = extent.pictures < 8 || extent.untrained < 2 || extent.variations < 4;
    if few || extent.tracks == 0 || extent.triplets == 0 {
        return Err(Error::input(
            "so few items say nothing",
            "measure at least 8 pictures, 2 of them untrained, 4 variations, 1 track and 1 triplet",
        ));
    }
    let location = bundle_location(arguments.bundle.as_deref())?;
    let bundle = pollster::block_on(Bundle::open(location))?;
    let other = match &arguments.against {
        Some(other) => Some(pollster::block_on(Bundle::open(Location::parse(other)?))?),
        None => None,
    };
    let job = Job {
        arguments,
        bundle: &bundle,
        other: other.as_ref(),
        extent,
    };
    on_device(&choose(arguments.device)?, job)
}

/// What is to be measured, on whatever device.
struct Job<'a> {
    arguments: &'a Arguments,
    bundle: &'a Bundle,
    other: Option<&'a Bundle>,
    extent: Extent,
}

impl Computation for Job<'_> {
    type Output = ();

    fn run<B: Kernels>(self, device: B::Device) -> Result<()> {
        if let Some(other) = self.other {
            let pictures = self.extent.pictures;
            let difference = Difference::measure::<B>(self.bundle, other, &device, pictures)?;
            if self.arguments.json {
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
        let split = match (self.arguments.last, self.arguments.validation) {
            (true, _) => Split::Final,
            (_, true) => Split::Validation,
            _ => Split::Test,
        };
        let folder = match &self.arguments.sounds {
            Some(target) => Some(files::unfinished_folder(target)?),
            None => None,
        };
        let listener = Ears {
            is_silent: self.arguments.json,
            folder: folder.as_ref().map(UnfinishedFolder::path),
        };
        if split == Split::Final {
            let openings = openings::note(&self.arguments.openings, self.bundle, self.extent)?;
            listener.note(&format!(
                "The final pairs have been opened {openings} times"
            ));
        }
        let source = Rendered::new(material, split, PICTURE);
        let report = evaluate::<B>(self.bundle, &source, &device, self.extent, &listener)?;
        if let (Some(folder), Some(target)) = (folder, &self.arguments.sounds) {
            files::finish_folder(folder, target, "generated")?;
        }
        if self.arguments.json {
            return print_json(&report);
        }
        print_line(&table::table(&report))
    }
}

/// Says what is being done, and keeps what is heard.
struct Ears<'a> {
    is_silent: bool,
    folder: Option<&'a Path>,
}

impl Listener for Ears<'_> {
    fn note(&self, text: &str) {
        if !self.is_silent {
            eprintln!("{text}");
        }
    }

    fn sound(&self, set: &str, number: usize, seed: Option<u64>, samples: &[f32]) -> Result<()> {
        let Some(folder) = self.folder else {
            return Ok(());
        };
        let folder = folder.join(set);
        fs::create_dir_all(&folder).map_err(|e| Error::file("create", &folder, e))?;
        let name = match seed {
            Some(seed) => format!("{number:03}@{seed}.wav"),
            None => format!("{number:03}.wav"),
        };
        let bytes = wav::encode(samples, SAMPLE_RATE, wav::Sample::Float, &[])?;
        files::write_file(&folder.join(name), &bytes)
    }
}
