//! Art2Music against its PyTorch reference on small random checkpoints, from every form that is accepted, through the
//! command line.
//!
//! `tests/fixtures/README.md` says how the fixtures were made. Bounds: relative error below 1e-3 on the CPU and 2e-3 on a
//! GPU, in f32; tiles of f16, which some GPUs get, round what goes into a product to 11 bits.
#![cfg(all(feature = "cli", not(target_family = "wasm")))]

mod common;

use art2mus::{
    checkpoint::{Checkpoint, names},
    device::{DeviceChoice, choose},
    image::{self, Picture},
    ops::{Cpu, Gpu, Kernels},
    systems::{Output, Playing, Request, Settings, Source, System},
    tensors::{HostTensor, Init, TensorSource},
    text::{ClipTokenizer, merges_of},
    weights::{Bundle, Location},
};
use common::{Fixture, fixture, program, read_wav, relative_error, run, skipped};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

const CPU_BOUND: f64 = 1e-3;
const GPU_BOUND: f64 = 2e-3;
const F16_BOUND: f64 = 1e-2;
/// Names in the reference that are no points of a generation.
const ELSEWHERE: [&str; 1] = ["text.ids"];

fn reference() -> Fixture {
    Fixture::open("trace-art2music.safetensors")
}

fn part(name: &str) -> PathBuf {
    fixture("art2music-tiny").join(name)
}

/// The arguments of a conversion, as texts.
fn arguments(clip: &Path, bundle: &Path) -> Vec<String> {
    let settings = reference().settings();
    let text = |path: &Path| path.to_str().unwrap().to_string();
    let mut all: Vec<String> = ["convert", "--system", "art2music"]
        .map(String::from)
        .into();
    for (flag, value) in [
        ("--clip", text(clip)),
        ("--decoder", text(&part("decoder.pt"))),
        ("--vocoder", text(&part("hifigan/generator_v1"))),
        ("--mel-scale", settings["scale"].to_string()),
        ("--mel-mean", settings["mean"].to_string()),
        ("-o", text(bundle)),
    ] {
        all.extend([flag.to_string(), value]);
    }
    all
}

/// Converts; the last line of standard error where it fails, all of it where it does not.
fn convert_from(clip: &Path, bundle: &Path, more: &[&str]) -> Result<String, String> {
    let all = arguments(clip, bundle);
    let output = program().args(all).args(more).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!error.contains("panicked"), "{error}");
    match output.status.success() {
        true => Ok(error),
        false => Err(error.trim_end().lines().last().unwrap_or_default().into()),
    }
}

fn convert(bundle: &Path, more: &[&str]) {
    let fusion = part("fusion.pt");
    let more: Vec<&str> = ["--fusion", fusion.to_str().unwrap(), "--strict"]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    convert_from(&part("open_clip"), bundle, &more).unwrap();
}

/// A bundle of the small checkpoints, made once.
fn bundle() -> &'static Path {
    static BUNDLE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = BUNDLE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle");
        convert(&path, &["--dtype", "f32"]);
        (folder, path)
    });
    path
}

fn open<B: Kernels>(bundle: &Path) -> System<B> {
    let location = Location::Folder(bundle.to_path_buf());
    let bundle = pollster::block_on(Bundle::open(location)).unwrap();
    System::new(bundle, Default::default()).unwrap()
}

fn picture() -> Picture {
    image::decode(&fs::read(fixture("picture.png")).unwrap()).unwrap()
}

fn asked() -> Settings {
    let settings = reference().settings();
    Settings {
        seconds: settings["seconds"].as_f64(),
        comment: settings["comment"].as_str().map(str::to_string),
        ..Settings::default()
    }
}

fn generate<B: Kernels>(system: &System<B>, settings: Settings) -> Output {
    let request = Request {
        trace: true,
        ..Request::new(system.complete(&settings, 0).unwrap())
    };
    pollster::block_on(system.generate(&picture(), &request, &mut ())).unwrap()
}

/// Compares every tensor of the reference; the pixels are those of another trace.
fn compare(output: &Output, bound: f64) {
    let reference = reference();
    let pixels = Fixture::open("trace-imagebind.safetensors").tensor("image.pixels");
    let names = reference.names().filter(|name| !ELSEWHERE.contains(name));
    let tensors = names.map(|name| (name, reference.tensor(name)));
    let mut compared = 0;
    for (name, expected) in tensors.chain([("image.pixels", pixels)]) {
        let found = output.trace.iter().find(|(n, _)| n == name);
        let (_, found) = found.unwrap_or_else(|| panic!("{name} was not traced"));
        assert_eq!(found.shape, expected.shape, "shape of {name}");
        let error = relative_error(&expected.values, &found.values);
        println!("{name}: {error:.1e}");
        assert!(error < bound, "{name} is off by {error:.2e}");
        compared += 1;
    }
    assert_eq!(compared, 17);
    assert_eq!(
        output.trace.len(),
        compared,
        "all that is traced is compared"
    );
}

#[test]
fn agrees_on_the_cpu() {
    compare(&generate(&open::<Cpu>(bundle()), asked()), CPU_BOUND);
}

#[test]
fn agrees_on_the_gpu() {
    if choose(DeviceChoice::Wgpu).is_err() {
        // Where a software device was installed on purpose, its silence is a fault.
        assert!(
            std::env::var_os("ART2MUS_REQUIRE_GPU").is_none(),
            "no Vulkan device answers"
        );
        return skipped("no Vulkan device answers");
    }
    let system = open::<Gpu>(bundle());
    let bound = match Gpu::kernels(&Default::default()).contains("f16") {
        true => F16_BOUND,
        false => GPU_BOUND,
    };
    compare(&generate(&system, asked()), bound);
}

#[test]
fn comments_have_the_ids_of_the_reference() {
    let reference = reference();
    let ids = reference.tensor("text.ids").values;
    let file = fs::read(part("open_clip/tokenizer.json")).unwrap();
    let tokenizer = ClipTokenizer::new(&merges_of(&file, 640).unwrap(), 24).unwrap();
    let comment = asked().comment.unwrap();
    let found: Vec<f32> = tokenizer
        .encode(&comment)
        .iter()
        .map(|&id| id as f32)
        .collect();
    assert_eq!(found, ids);
}

/// Another comment, another picture's embedding: both decide.
#[test]
fn picture_and_comment_both_decide_the_music() {
    let system = open::<Cpu>(bundle());
    let [first, other, none] = ["A calm lake.", "So much anger!", ""].map(|comment| {
        let settings = Settings {
            comment: Some(comment.into()),
            ..asked()
        };
        generate(&system, settings).pieces.remove(0).samples
    });
    assert!(relative_error(&first, &other) > 1e-3);
    assert!(relative_error(&first, &none) > 1e-3);
    let embedding = HostTensor {
        shape: vec![1, 24],
        values: (0..24).map(|i| (i as f32).sin()).collect(),
    };
    let settings = system.complete(&asked(), 0).unwrap();
    let request = Request::new(settings);
    let made =
        pollster::block_on(system.generate(Source::Embedding(&embedding), &request, &mut ()))
            .unwrap();
    assert!(relative_error(&first, &made.pieces[0].samples) > 1e-3);
}

/// What parts of a generation give is what the whole does, and a comment is read once.
#[test]
fn parts_of_a_generation_agree_with_the_whole() {
    let system = open::<Cpu>(bundle());
    let whole = generate(&system, asked());
    let stages = |system: &System<Cpu>, settings: &Settings| -> Vec<&str> {
        let settings = system.complete(settings, 0).unwrap();
        let work = system.work(&settings).unwrap();
        work.iter().map(|work| work.stage).collect()
    };
    assert_eq!(stages(&system, &asked()), ["encode", "decode", "vocode"]);
    let another = Settings {
        comment: Some("another".into()),
        ..asked()
    };
    assert_eq!(
        stages(&system, &another),
        ["encode", "text", "decode", "vocode"]
    );
    let again = generate(&system, asked());
    assert_eq!(again.pieces[0].samples, whole.pieces[0].samples);
    assert_eq!(again.timings.len(), 3);

    let embedding = pollster::block_on(system.embed(&picture(), &mut ())).unwrap();
    let request = Request::new(system.complete(&asked(), 0).unwrap());
    let made =
        pollster::block_on(system.generate(Source::Embedding(&embedding), &request, &mut ()))
            .unwrap();
    assert_eq!(made.pieces[0].samples, whole.pieces[0].samples);

    let latents = &whole.pieces[0].latents;
    let sounds = pollster::block_on(system.decode(latents, Playing::default(), &mut ())).unwrap();
    assert_eq!(sounds[0][..11_025], whole.pieces[0].samples);
    assert_eq!(sounds[0].len(), 44 * 256);
}

#[test]
fn what_the_system_has_not_is_refused() {
    let system = open::<Cpu>(bundle());
    let refused = |settings: Settings| {
        let error = system.complete(&settings, 0).unwrap_err();
        error.to_string()
    };
    let none = Settings::default;
    for (settings, expected) in [
        (
            Settings {
                steps: Some(3),
                ..none()
            },
            "no setting steps",
        ),
        (
            Settings {
                guidance: Some(2.0),
                ..none()
            },
            "no setting guidance",
        ),
        (
            Settings {
                seed: Some(1),
                ..none()
            },
            "no setting seed",
        ),
        (
            Settings {
                candidates: Some(2),
                ..none()
            },
            "2 candidates",
        ),
        (
            Settings {
                transpose: Some(0),
                ..none()
            },
            "leave transpose out",
        ),
        (
            Settings {
                tempo: Some(90.0),
                ..none()
            },
            "leave tempo out",
        ),
        (
            Settings {
                prompt: Some("a".into()),
                ..none()
            },
            "leave them out",
        ),
        (
            Settings {
                seconds: Some(0.7),
                ..none()
            },
            "between 0.1 and 0.6",
        ),
        (
            Settings {
                loudness: Some(1.0),
                ..none()
            },
            "between -60 and -6",
        ),
    ] {
        let error = refused(settings);
        assert!(error.contains(expected), "{expected:?} is not in {error:?}");
    }
    let tokens = HostTensor {
        shape: vec![1, 8, 24],
        values: vec![0.0; 192],
    };
    let request = Request::new(system.complete(&asked(), 0).unwrap());
    let error = pollster::block_on(system.generate(Source::Tokens(&tokens), &request, &mut ()))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("without Language-of-Audio tokens"),
        "{error}"
    );
    let error = pollster::block_on(system.condition(&tokens, &mut ())).unwrap_err();
    assert!(error.to_string().contains("without Language"), "{error}");
    for shape in [vec![1, 1, 44, 15], vec![1, 1, 61, 16], vec![1, 44, 16]] {
        let values = vec![0.0; shape.iter().product()];
        let mels = HostTensor { shape, values };
        let error = pollster::block_on(system.decode(&mels, Playing::default(), &mut ()))
            .unwrap_err()
            .to_string();
        assert!(error.contains("give [pieces, 1, frames, 16]"), "{error}");
    }
}

/// q8 and q4 weights change the music, but not what it is.
#[test]
fn packed_weights_stay_close() {
    let expected = reference().tensor("mel_decoder.mel").values;
    let folder = tempfile::tempdir().unwrap();
    let mut before = 1e-6;
    for (dtype, bound) in [("f16", 1e-3), ("q8", 3e-2), ("q4", 0.4)] {
        let place = folder.path().join(dtype);
        convert(&place, &["--dtype", dtype]);
        let output = generate(&open::<Cpu>(&place), asked());
        let error = relative_error(&expected, &output.pieces[0].latents.values);
        println!("{dtype}: {error:.1e}");
        assert!(
            error > before && error < bound,
            "{dtype} is off by {error:.2e}"
        );
        before = error;
    }
}

#[test]
fn music_is_made_through_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let picture = fixture("picture.png");
    let [picture, own] = [picture.as_path(), bundle()].map(|path| path.to_str().unwrap());
    let settings = reference().settings();
    let comment = settings["comment"].as_str().unwrap();
    let make = |name: &str, more: &[&str]| {
        let output = path(name);
        let fixed = ["generate", picture, "--bundle", own, "-o", &output];
        let fixed = fixed.into_iter().chain(["--device", "cpu", "--json"]);
        let all: Vec<&str> = fixed.chain(more.iter().copied()).collect();
        run(&all)
    };
    let (output, error) = make(
        "a.wav",
        &["--comment", comment, "--seconds", "0.5", "--float"],
    );
    assert!(output.status.success(), "{error}");
    let (rate, samples) = read_wav(Path::new(&path("a.wav")));
    assert_eq!(rate, 22_050);
    let error = relative_error(&reference().tensor("waveform").values, &samples);
    assert!(error < CPU_BOUND, "{error:.2e}");
    let text = String::from_utf8(output.stdout).unwrap();
    let result: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(result["sampleRate"], 22_050);
    assert_eq!(result["settings"]["comment"], comment);
    assert_eq!(result["settings"]["seed"], Value::Null);
    // Without a comment the picture is all there is; the length is the longest that the decoder has positions for.
    let (output, error) = make("b.wav", &["--loudness", "-30"]);
    assert!(output.status.success(), "{error}");
    let (_, samples) = read_wav(Path::new(&path("b.wav")));
    assert_eq!(samples.len(), 13_230);
    let power = samples.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 13_230.0;
    assert!((10.0 * power.log10() + 30.0).abs() < 0.5, "{power}");

    let (output, error) = make("c.wav", &["--seed", "3"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains("this model has no setting seed: leave seed out."),
        "{error}"
    );

    for command in ["verify", "inspect"] {
        let (output, error) = run(&[command, own]);
        assert!(output.status.success(), "{error}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("decode"), "{text}");
    }
}

/// The weights as safetensors, the vocabulary as OpenAI publishes it, the vocoder's folder in place of its file.
#[test]
fn every_published_form_gives_the_same_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip");
    fs::create_dir(&clip).unwrap();
    let pickle = Checkpoint::open(&part("open_clip")).unwrap();
    let mut tensors = Vec::new();
    let stored: Vec<String> = pickle.names().map(str::to_string).collect();
    for name in stored {
        let shape = pickle.shape(&name).unwrap();
        let values = pickle.read(&name, &shape, Init::Constant(0.0)).unwrap();
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        tensors.push((name, shape, bytes));
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
        (name, view.unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    fs::write(clip.join("open_clip_model.safetensors"), bytes).unwrap();
    let config = "open_clip_config.json";
    fs::copy(part("open_clip").join(config), clip.join(config)).unwrap();
    let fusion = part("fusion.pt");
    let convert = |bundle: &str, more: &[&str]| {
        let place = folder.path().join(bundle);
        let fixed = ["--fusion", fusion.to_str().unwrap(), "--dtype", "f32"];
        let more: Vec<&str> = fixed.into_iter().chain(more.iter().copied()).collect();
        convert_from(&clip, &place, &more).map(|_| place)
    };
    let error = convert("without", &[]).unwrap_err();
    assert!(error.contains("there is no vocabulary beside"), "{error}");
    let vocabulary = part("bpe_simple_vocab.txt.gz");
    let hifigan = part("hifigan");
    let vocabulary = ["--clip-vocabulary", vocabulary.to_str().unwrap()];
    let made = convert("same", &vocabulary).unwrap();
    let manifest = |place: &Path| -> Value {
        serde_json::from_slice(&fs::read(place.join("manifest.json")).unwrap()).unwrap()
    };
    let hashes = |place: &Path| {
        let manifest = manifest(place);
        (
            manifest["shards"].clone(),
            manifest["assets"].clone(),
            manifest["stages"].clone(),
        )
    };
    assert_eq!(hashes(&made), hashes(bundle()));
    // A folder with a generator is as good as its file.
    let place = folder.path().join("folder");
    let mut all = arguments(&clip, &place);
    let at = all.iter().position(|text| text == "--vocoder").unwrap();
    all[at + 1] = hifigan.to_str().unwrap().into();
    let more = ["--fusion", fusion.to_str().unwrap(), "--dtype", "f32"];
    let output = program()
        .args(all)
        .args(more)
        .args(vocabulary)
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(hashes(&place), hashes(bundle()));
    assert_eq!(manifest(bundle())["system"], "art2music");
    assert_eq!(manifest(bundle())["model"]["trained"], true);
}

#[test]
fn a_missing_fusion_is_made_anew_and_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("bundle");
    let said = convert_from(&part("open_clip"), &place, &["--dtype", "f32"]).unwrap();
    assert!(said.contains("freshly initialised one (seed 0)"), "{said}");
    let manifest = fs::read_to_string(place.join("manifest.json")).unwrap();
    assert!(manifest.contains("freshly initialised fusion"));
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["model"]["trained"], false);
    let (a, b) = (open::<Cpu>(&place), open::<Cpu>(bundle()));
    let [a, b] = [a, b].map(|system| generate(&system, asked()).pieces.remove(0).samples);
    assert!(relative_error(&b, &a) > 1e-3);
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let clip = part("open_clip");
    let refused = |more: &[&str]| {
        let error = convert_from(&clip, &folder.path().join("bundle"), more).unwrap_err();
        assert!(
            error.starts_with("art2mus: ") && error.ends_with('.'),
            "{error}"
        );
        error
    };
    let decoder = part("decoder.pt");
    let error = refused(&["--fusion", decoder.to_str().unwrap()]);
    assert!(error.contains("has no tensor residual.weight"), "{error}");
    let error = refused(&["--seconds", "3"]);
    assert!(
        error.contains("ask for between 0.1 and 0.6 seconds"),
        "{error}"
    );
    // A vocoder for other bands, and a configuration that says other frames than it makes.
    let vocoder = folder.path().join("hifigan");
    common::copy_folder(&part("hifigan"), &vocoder);
    let path = vocoder.join("config.json");
    let original: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (key, value, expected) in [
        ("num_mels", 80.into(), "tensor conv_pre.weight"),
        ("hop_size", 300.into(), "has frames of 300 samples"),
        ("resblock", "2".into(), "asks for resblock \"2\""),
        ("sampling_rate", Value::Null, "has no sampling_rate"),
    ] {
        let mut config = original.clone();
        match value {
            Value::Null => drop(config.as_object_mut().unwrap().remove(key)),
            value => config[key] = value,
        }
        fs::write(&path, config.to_string()).unwrap();
        let mut all = arguments(&clip, &folder.path().join("bundle"));
        let at = all.iter().position(|text| text == "--vocoder").unwrap();
        all[at + 1] = vocoder.to_str().unwrap().into();
        let output = program().args(all).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        let error = error.trim_end().lines().last().unwrap_or_default();
        assert!(error.contains(expected), "{expected:?} is not in {error:?}");
    }
    assert!(!folder.path().join("bundle").exists());
}

/// What belongs to one system is refused with the other, and so is a command line without the parts of either.
#[test]
fn arguments_of_the_other_system_are_refused() {
    let place = |name: &str| part(name).to_str().unwrap().to_string();
    let [clip, decoder, vocoder] = ["open_clip", "decoder.pt", "hifigan"].map(place);
    for (arguments, expected) in [
        (vec!["--clip", &clip], "--audioldm2"),
        (vec!["--system", "art2music", "--clip", &clip], "--vocoder"),
        (
            vec![
                "--system",
                "art2music",
                "--clip",
                &clip,
                "--decoder",
                &decoder,
            ],
            "--vocoder",
        ),
        (
            vec![
                "--clip",
                &clip,
                "--decoder",
                &decoder,
                "--vocoder",
                &vocoder,
            ],
            "--system",
        ),
        (
            vec![
                "--system",
                "art2music",
                "--clip",
                &clip,
                "--decoder",
                &decoder,
                "--vocoder",
                &vocoder,
                "--text",
            ],
            "--text",
        ),
        (
            vec!["--audioldm2", &clip, "--clip", &clip, "--fusion", &decoder],
            "--vocoder",
        ),
    ] {
        let all: Vec<&str> = ["convert", "-o", "nowhere"]
            .into_iter()
            .chain(arguments)
            .collect();
        let (output, error) = run(&all);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(expected), "{expected:?} is not in {error}");
    }
    let all = [
        "convert",
        "-o",
        "nowhere",
        "--system",
        "art-to-mus",
        "--clip",
        &clip,
    ];
    let all: Vec<&str> = all
        .into_iter()
        .chain(["--decoder", &decoder, "--vocoder", &vocoder])
        .collect();
    let (output, error) = run(&all);
    assert!(!output.status.success());
    assert!(error.contains("vocoder"), "{error}");
    // OpenCLIP's names serve both systems: what they are is the same.
    let dialect = Checkpoint::open(&part("open_clip"))
        .unwrap()
        .with_names(names::clip);
    assert!(dialect.shape("text_projection.weight").is_some());
}
