//! `art2mus generate`: music from a picture, from a text alone, or from a list of them.

mod list;
mod observers;

use serde_json::json;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use self::observers::{BarObserver, JsonObserver};
use super::{
    bundle_location, human_bytes,
    on_device::{Computation, on_device},
    peak_memory, print_json, print_line,
};
use crate::{
    Error, Result,
    audio::wav,
    checkpoint::Checkpoint,
    device::{self, Device, DeviceChoice},
    diffusion::SchedulerKind,
    files::{check_output, is_same_output, write_output},
    image::{self, Picture},
    ops::{Cpu, Kernels},
    pipeline::Observer,
    systems::{Output, Request, Settings, Source, System},
    tensors::{HostTensor, Init, TensorSource},
    weights::{Bundle, read_limited},
};

/// No picture that can be decoded within the limits is larger.
const MAX_PICTURE_BYTES: u64 = 512 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The picture: PNG, JPEG, WebP, GIF, BMP or TIFF.
    #[arg(required_unless_present_any = ["no_image", "list"])]
    picture: Option<PathBuf>,
    /// Make music of the prompt alone, as AudioLDM 2 itself does; needs a bundle converted with --text, best with
    /// --negative-prefix padded.
    #[arg(long, conflicts_with = "picture")]
    no_image: bool,
    /// Make music of everything on this list, in the folder that -o names: a picture a line, or lines of JSON with picture
    /// or name, and prompt or caption, comment and seed. The same command goes on where an earlier one was stopped.
    #[arg(long, value_name = "FILE", requires = "output", conflicts_with_all = ["picture", "latents", "trace"])]
    list: Option<PathBuf>,
    /// What a caption of the list becomes as a prompt; {caption} stands for it.
    #[arg(long, requires = "list", default_value = "{caption}")]
    template: String,
    /// The bundle, a folder or an address; the default model when left out.
    #[arg(long)]
    bundle: Option<String>,
    /// Where the music goes, `-` for standard output; the picture's name with .wav when left out.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Replace files that are there already.
    #[arg(long)]
    force: bool,
    /// Write samples as 32-bit floats, as they were computed, instead of 16-bit integers.
    #[arg(long)]
    float: bool,
    /// Length of the music [default: the bundle's].
    #[arg(long)]
    seconds: Option<f64>,
    /// Denoising steps [default: the bundle's].
    #[arg(long)]
    steps: Option<usize>,
    /// The sampler [default: the bundle's].
    #[arg(long, value_enum)]
    scheduler: Option<SchedulerKind>,
    /// Guidance scale; 1 is none [default: the bundle's].
    #[arg(long)]
    guidance: Option<f64>,
    /// Semitones from the model's own tonic [default: what the picture's hue asks for].
    #[arg(long, allow_negative_numbers = true)]
    transpose: Option<i32>,
    /// Beats a minute, for a model that has one pulse [default: what the picture's edges ask for].
    #[arg(long)]
    tempo: Option<f64>,
    /// RMS of the music in dBFS [default: what the picture's colours ask for, or what the model makes].
    #[arg(long, allow_negative_numbers = true)]
    loudness: Option<f64>,
    /// What the music should not be; needs a bundle converted with --text.
    #[arg(long)]
    negative: Option<String>,
    /// Another support prompt; needs a bundle converted with --text.
    #[arg(long)]
    prompt: Option<String>,
    /// What you say of the picture, for a model that takes a comment.
    #[arg(long)]
    comment: Option<String>,
    /// The seed; the same seed gives the same music on one device [default: drawn].
    #[arg(long)]
    seed: Option<u64>,
    /// Make several pieces and put the one that fits the picture best first.
    #[arg(long)]
    candidates: Option<usize>,
    /// Where to compute.
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceChoice,
    /// The GPU's kernels, as a result names its own: for the same samples again [default: by a self-test].
    #[arg(long)]
    kernels: Option<String>,
    /// Start from the tensor `latents` of this safetensors file instead of the seed's noise.
    #[arg(long)]
    latents: Option<PathBuf>,
    /// Write the tensors of every stage to this safetensors file.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Print one JSON object a line: progress, then the result.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments) -> Result<()> {
    if let Some(file) = &arguments.list {
        return list::run(&arguments, file);
    }
    if arguments.no_image && (arguments.prompt.is_none() || arguments.output.is_none()) {
        return Err(Error::input(
            "without a picture there is no prompt, or no name for the music",
            "give both --prompt and -o",
        ));
    }
    let device = device::choose_with_kernels(arguments.device, arguments.kernels.as_deref())?;
    let picture = match &arguments.picture {
        Some(picture) => Some(read_picture(picture)?),
        None => None,
    };
    let output = match (&arguments.output, &arguments.picture) {
        (Some(output), _) => output.clone(),
        (None, picture) => music_of(picture.as_deref().unwrap_or(Path::new("music"))),
    };
    let candidates = arguments.candidates.unwrap_or(1);
    if output == Path::new("-") && (arguments.json || candidates > 1) {
        return Err(Error::input(
            "standard output holds one piece of music and nothing else",
            "leave out --json and --candidates, or name a file with -o",
        ));
    }
    let location = bundle_location(arguments.bundle.as_deref())?;
    let bundle = pollster::block_on(Bundle::open(location))?;
    let request = request(&arguments, &bundle, |_| {})?;
    // Music may take an hour: find out now whether it can be kept. What -o names may be replaced.
    for (i, path) in (0..candidates).map(|i| (i, piece_path(&output, i))) {
        let named = i == 0 && arguments.output.is_some();
        check_output(&path, arguments.force || named)?;
        check_apart(&path, &arguments)?;
    }
    if let Some(path) = &arguments.trace {
        check_output(path, true)?;
    }
    let mut observer: Box<dyn Observer> = if arguments.json {
        Box::new(JsonObserver)
    } else {
        match &arguments.picture {
            Some(picture) => eprintln!("Making music on {device} from {}", picture.display()),
            None => eprintln!("Making music on {device} from the prompt"),
        }
        if !bundle.manifest().model.trained {
            eprintln!("This model is not trained: what it makes is noise, not music.");
        }
        Box::new(BarObserver::new())
    };
    let job = Generation {
        bundle: &bundle,
        picture: picture.as_ref(),
        request: &request,
        observer: observer.as_mut(),
    };
    let made = on_device(&device, job)?;
    let files = write_pieces(&arguments, &output, &made, &bundle)?;
    if let Some(path) = &arguments.trace {
        write_trace(path, &made.trace)?;
    }
    report(&arguments, &made, &files, &device, &bundle)
}

/// Refuses music in the place of the picture, of the given latents or of the trace.
fn check_apart(music: &Path, arguments: &Arguments) -> Result<()> {
    let others = [
        ("the picture", arguments.picture.as_ref()),
        ("the latents", arguments.latents.as_ref()),
        ("the trace", arguments.trace.as_ref()),
    ];
    for (what, other) in others {
        if other.is_some_and(|other| is_same_output(music, other)) {
            return Err(Error::input(
                format!(
                    "the music and {what} would be one file, {}",
                    music.display()
                ),
                "name another file with -o",
            ));
        }
    }
    Ok(())
}

fn read_picture(path: &Path) -> Result<Picture> {
    image::decode(&read_limited(path, MAX_PICTURE_BYTES)?)
}

/// One generation, on whatever device.
struct Generation<'a> {
    bundle: &'a Bundle,
    /// None where the prompt alone makes the music.
    picture: Option<&'a Picture>,
    request: &'a Request,
    observer: &'a mut dyn Observer,
}

impl Computation for Generation<'_> {
    type Output = Output;

    fn run<B: Kernels>(self, device: B::Device) -> Result<Output> {
        let system = System::<B>::new(self.bundle.clone(), device)?;
        generate(&system, self.picture, self.request, self.observer)
    }
}

/// Makes music of a picture, or of the request's prompt alone.
fn generate<B: Kernels>(
    system: &System<B>,
    picture: Option<&Picture>,
    request: &Request,
    observer: &mut dyn Observer,
) -> Result<Output> {
    if let Some(picture) = picture {
        return pollster::block_on(system.generate(picture, request, observer));
    }
    let System::ArtToMus(model) = system else {
        return Err(Error::unsupported(
            "this model makes no music without a picture",
            "give a picture, or another bundle with --bundle",
        ));
    };
    let prompt = request.settings.prompt.as_deref().unwrap_or_default();
    let tokens = pollster::block_on(model.condition_on_text(prompt, observer))?;
    pollster::block_on(system.generate(Source::Tokens(&tokens), request, observer))
}

/// What the command line asks for, with what `own` changes.
fn request(
    arguments: &Arguments,
    bundle: &Bundle,
    own: impl FnOnce(&mut Settings),
) -> Result<Request> {
    let mut asked = Settings {
        seconds: arguments.seconds,
        steps: arguments.steps,
        scheduler: arguments.scheduler,
        guidance: arguments.guidance,
        seed: arguments.seed,
        candidates: arguments.candidates,
        transpose: arguments.transpose,
        tempo: arguments.tempo,
        loudness: arguments.loudness,
        prompt: arguments.prompt.clone(),
        negative: arguments.negative.clone(),
        comment: arguments.comment.clone(),
    };
    own(&mut asked);
    // What is wrong with the settings does not depend on the device.
    let system = System::<Cpu>::new(bundle.clone(), Default::default())?;
    Ok(Request {
        settings: system.complete(&asked, drawn_seed())?,
        latents: arguments.latents.as_deref().map(read_latents).transpose()?,
        trace: arguments.trace.is_some(),
    })
}

/// A seed that differs from run to run. Small enough to be read aloud and typed again.
fn drawn_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanoseconds = now.map_or(0, |since| since.as_nanos() as u64);
    nanoseconds.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

fn read_latents(path: &Path) -> Result<HostTensor> {
    let file = Checkpoint::open(path)?;
    let shape = file.shape("latents").ok_or_else(|| {
        Error::input(
            format!("{} has no tensor named latents", path.display()),
            "write the noise under that name",
        )
    })?;
    let values = file.read("latents", &shape, Init::Constant(0.0))?;
    Ok(HostTensor { shape, values })
}

fn write_trace(path: &Path, trace: &[(String, HostTensor)]) -> Result<()> {
    let mut views = HashMap::new();
    for (name, tensor) in trace {
        let bytes = bytemuck::cast_slice(&tensor.values);
        let view = safetensors::tensor::TensorView::new(
            safetensors::Dtype::F32,
            tensor.shape.clone(),
            bytes,
        )
        .map_err(|e| Error::internal(format!("{name} cannot be written ({e})")))?;
        views.insert(name.as_str(), view);
    }
    let bytes = safetensors::serialize(views, None)
        .map_err(|e| Error::internal(format!("the trace cannot be written ({e})")))?;
    write_output(path, &bytes)
}

/// Extensions of pictures, which the name of their music has not. What else follows a full stop belongs to the name:
/// "Composition No. 5".
const PICTURE_EXTENSIONS: [&str; 9] = [
    "bmp", "gif", "jfif", "jpeg", "jpg", "png", "tif", "tiff", "webp",
];

/// The file beside `picture` that its music goes to.
pub(super) fn music_of(picture: &Path) -> PathBuf {
    with_ending(picture, &PICTURE_EXTENSIONS, ".wav")
}

/// The file of the piece `index`: the best one under the name that was asked for, the others numbered behind it.
fn piece_path(output: &Path, index: usize) -> PathBuf {
    match index {
        0 => output.to_path_buf(),
        _ => with_ending(output, &["wav"], &format!("-{}.wav", index + 1)),
    }
}

/// `path` with `ending` in place of its extension, if that is one of `extensions`, or behind its name.
fn with_ending(path: &Path, extensions: &[&str], ending: &str) -> PathBuf {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let known = extension.is_some_and(|extension| {
        extensions
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    });
    let name = if known {
        path.file_stem()
    } else {
        path.file_name()
    };
    let mut name = name.unwrap_or_default().to_os_string();
    name.push(ending);
    path.with_file_name(name)
}

fn write_pieces(
    arguments: &Arguments,
    output: &Path,
    made: &Output,
    bundle: &Bundle,
) -> Result<Vec<PathBuf>> {
    let sample = if arguments.float {
        wav::Sample::Float
    } else {
        wav::Sample::Integer
    };
    let mut files = Vec::new();
    // The best one comes last: where it is, all are.
    for (i, piece) in made.pieces.iter().enumerate().rev() {
        let path = piece_path(output, i);
        let metadata = made.metadata(&bundle.manifest().model.name, piece)?;
        let bytes = wav::encode(&piece.samples, made.sample_rate as u32, sample, &metadata)?;
        write_output(&path, &bytes)?;
        files.insert(0, path);
    }
    Ok(files)
}

fn report(
    arguments: &Arguments,
    made: &Output,
    files: &[PathBuf],
    device: &Device,
    bundle: &Bundle,
) -> Result<()> {
    let scores: Vec<_> = made.pieces.iter().map(|piece| piece.score).collect();
    if arguments.json {
        return print_json(&json!({
            "type": "result",
            "files": files.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
            "model": bundle.manifest().model.name,
            "sampleRate": made.sample_rate,
            "samples": made.pieces.first().map_or(0, |piece| piece.samples.len()),
            "scores": scores,
            "settings": made.settings,
            "device": device,
            "kernels": made.kernels,
            "timings": made.timings,
            "peakMemoryBytes": peak_memory(),
        }));
    }
    for timing in &made.timings {
        eprintln!(
            "  {:<10} {:>9.1} ms to load, {:>10.1} ms to run",
            timing.stage, timing.load_ms, timing.run_ms
        );
    }
    if let Some(bytes) = peak_memory() {
        eprintln!("  at most {} of memory", human_bytes(bytes));
    }
    if scores.len() > 1 && scores.iter().any(Option::is_none) {
        eprintln!("  not ranked: the bundle has no audio trunk");
    }
    if files[0] == Path::new("-") {
        return Ok(());
    }
    for (path, score) in files.iter().zip(&scores) {
        let score = score.map_or(String::new(), |score| format!("  score {score:.4}"));
        let seed = made.settings.seed;
        let seed = seed.map_or(String::new(), |seed| format!("  seed {seed}"));
        print_line(&format!("{}{seed}{score}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_extensions_of_pictures_are_taken_off() {
        for (picture, music) in [
            ("a/Composition No. 5", "a/Composition No. 5.wav"),
            ("a/Composition No. 5.JPG", "a/Composition No. 5.wav"),
            ("a/b.tar.png", "a/b.tar.wav"),
            ("a/.png", "a/.png.wav"),
        ] {
            assert_eq!(music_of(Path::new(picture)), Path::new(music));
        }
        assert_eq!(piece_path(Path::new("No. 5"), 1), Path::new("No. 5-2.wav"));
        assert_eq!(piece_path(Path::new("a.wav"), 2), Path::new("a-3.wav"));
    }
}
