//! `art2mus generate`: music from a picture.

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{bundle_location, human_bytes, print_json, print_line};
use crate::{
    Error, Result,
    audio::{Mode, wav},
    checkpoint::Checkpoint,
    device::{self, Device, DeviceChoice},
    diffusion::SchedulerKind,
    files::{check_output, is_same_output, write_output},
    image,
    ops::{Cpu, Kernels},
    pipeline::{Event, Observer},
    systems::{Output, Request, Settings, System},
    tensors::{HostTensor, Init, TensorSource},
    weights::{Bundle, read_limited},
};

/// No picture that can be decoded within the limits is larger.
const MAX_PICTURE_BYTES: u64 = 512 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The picture: PNG, JPEG, WebP, GIF, BMP or TIFF.
    picture: PathBuf,
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
    /// Major or minor, for a model that was told of modes [default: what the warmth of the picture asks for].
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Beats a minute, for a model that has one pulse [default: what the picture's colours ask for].
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
    let device = device::choose_with_kernels(arguments.device, arguments.kernels.as_deref())?;
    let picture = image::decode(&read_limited(&arguments.picture, MAX_PICTURE_BYTES)?)?;
    let output = arguments
        .output
        .clone()
        .unwrap_or_else(|| music_of(&arguments.picture));
    let candidates = arguments.candidates.unwrap_or(1);
    if output == Path::new("-") && (arguments.json || candidates > 1) {
        return Err(Error::input(
            "standard output holds one piece of music and nothing else",
            "leave out --json and --candidates, or name a file with -o",
        ));
    }
    let location = bundle_location(arguments.bundle.as_deref())?;
    let bundle = pollster::block_on(Bundle::open(location))?;
    let request = request(&arguments, &bundle)?;
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
        eprintln!(
            "Making music on {device} from {}",
            arguments.picture.display()
        );
        if !bundle.manifest().model.trained {
            eprintln!("This model is not trained: what it makes is noise, not music.");
        }
        Box::new(BarObserver::new())
    };
    let observer = observer.as_mut();
    let made = match &device {
        Device::Cpu => generate::<Cpu>(bundle.clone(), &picture, &request, observer),
        #[cfg(feature = "wgpu")]
        Device::Wgpu { .. } => {
            generate::<crate::ops::Gpu>(bundle.clone(), &picture, &request, observer)
        }
        #[cfg(feature = "cuda")]
        Device::Cuda => {
            generate::<burn::backend::Cuda>(bundle.clone(), &picture, &request, observer)
        }
        #[cfg(feature = "libtorch")]
        Device::Libtorch => {
            generate::<burn::backend::LibTorch>(bundle.clone(), &picture, &request, observer)
        }
    }?;
    let files = write_pieces(&arguments, &output, &made, &bundle)?;
    if let Some(path) = &arguments.trace {
        write_trace(path, &made.trace)?;
    }
    report(&arguments, &made, &files, &device, &bundle)
}

/// Refuses music in the place of the picture, of the given latents or of the trace.
fn check_apart(music: &Path, arguments: &Arguments) -> Result<()> {
    let others = [
        ("the picture", Some(&arguments.picture)),
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

fn generate<B: Kernels>(
    bundle: Bundle,
    picture: &image::Picture,
    request: &Request,
    observer: &mut dyn Observer,
) -> Result<Output> {
    let system = System::<B>::new(bundle, B::Device::default())?;
    pollster::block_on(system.generate(picture, request, observer))
}

/// What the command line asks for.
fn request(arguments: &Arguments, bundle: &Bundle) -> Result<Request> {
    let asked = Settings {
        seconds: arguments.seconds,
        steps: arguments.steps,
        scheduler: arguments.scheduler,
        guidance: arguments.guidance,
        seed: arguments.seed,
        candidates: arguments.candidates,
        transpose: arguments.transpose,
        mode: arguments.mode,
        tempo: arguments.tempo,
        loudness: arguments.loudness,
        prompt: arguments.prompt.clone(),
        negative: arguments.negative.clone(),
        comment: arguments.comment.clone(),
    };
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
fn music_of(picture: &Path) -> PathBuf {
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
    for (i, piece) in made.pieces.iter().enumerate() {
        let path = piece_path(output, i);
        let metadata = made.metadata(&bundle.manifest().model.name, piece)?;
        let bytes = wav::encode(&piece.samples, made.sample_rate as u32, sample, &metadata)?;
        write_output(&path, &bytes)?;
        files.push(path);
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

/// The largest amount of memory that this process has had, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Prints every event as a line of JSON.
struct JsonObserver;

impl Observer for JsonObserver {
    fn event(&mut self, event: Event) {
        // A failure to print ends the program when the result is printed.
        let _ = print_json(&event);
    }
}

/// Shows a bar for bytes and steps.
struct BarObserver {
    bar: ProgressBar,
}

impl BarObserver {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{prefix:>10} {wide_bar} {msg}") {
            bar.set_style(style);
        }
        Self { bar }
    }
}

impl Observer for BarObserver {
    fn event(&mut self, event: Event) {
        let left = |eta: Option<f64>| match eta {
            Some(ms) => format!("about {:.0} s left", (ms / 1e3).ceil()),
            None => String::new(),
        };
        match event {
            Event::Load {
                stage,
                loaded,
                total,
            } => {
                self.bar.set_prefix(stage);
                self.bar.set_length(total);
                self.bar.set_position(loaded);
                let message = format!("{} of {}", human_bytes(loaded), human_bytes(total));
                self.bar.set_message(message);
            }
            Event::Stage {
                stage,
                index,
                count,
                eta_ms,
            } => {
                self.bar.set_prefix(stage);
                self.bar.set_length(count as u64);
                self.bar.set_position(index as u64);
                self.bar.set_message(left(eta_ms));
            }
            Event::Step {
                stage,
                step,
                steps,
                eta_ms,
            } => {
                self.bar.set_prefix(stage);
                self.bar.set_length(steps as u64);
                self.bar.set_position(step as u64);
                let message = format!("step {step} of {steps}, {}", left(eta_ms));
                self.bar.set_message(message);
            }
            Event::Done { .. } => self.bar.finish_and_clear(),
        }
    }
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
