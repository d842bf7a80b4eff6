//! Networks that a generation does not run, against the PyTorch reference: aligners of every
//! published form, the text path, the audio trunk, the VAE's encoder, ImageBind's text trunk.
#![cfg(not(target_family = "wasm"))]

mod common;
#[path = "modules/scores.rs"]
mod scores;

use art2mus::{
    checkpoint::{Checkpoint, View, names},
    model::{
        aligner::{Aligner, AlignerConfig},
        clap::{ClapText, ClapTextConfig},
        clip::{ClipConfig, ClipVision},
        gpt2::{Gpt2, Gpt2Config},
        imagebind::{AudioConfig, AudioTrunk, TextConfig, TextTrunk},
        params::Params,
        projection::{ProjectionConfig, ProjectionModel},
        t5::{T5Config, T5Encoder},
        trace::{Trace, Traced},
        vae::{VaeConfig, VaeEncoder},
    },
    ops::Cpu,
    systems::art_to_mus::TextConditions,
    tensors::HostTensor,
    text::{TextEncoders, TextTokenizer, Tokenizers},
    weights::NegativePrefix,
};
use burn::tensor::Tensor;
use common::{Fixture, fixture, relative_error};
use serde::de::DeserializeOwned;

const BOUND: f64 = 1e-3;

type Dialect = fn(&str, &[usize]) -> Vec<(String, View)>;

fn open(name: &str, dialect: Dialect) -> Checkpoint {
    Checkpoint::open(&fixture(name))
        .unwrap()
        .with_names(dialect)
}

fn config<T: DeserializeOwned>(path: &str, part: Option<&str>) -> T {
    let text = std::fs::read(fixture(path)).unwrap();
    let mut value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    if let Some(part) = part {
        let dimension = value["projection_dim"].clone();
        value = value[part].take();
        value["projection_dim"] = dimension;
    }
    serde_json::from_value(value).unwrap()
}

fn check<const D: usize>(name: &str, expected: &HostTensor, found: Tensor<Cpu, D>) {
    assert_eq!(found.dims().to_vec(), expected.shape, "shape of {name}");
    let found: Vec<f32> = found.into_data().into_vec().unwrap();
    let error = relative_error(&expected.values, &found);
    assert!(error < BOUND, "{name} is off by {error:.2e}");
}

/// Compares what was traced with the fixture's tensors; every traced one must be there.
fn check_trace(reference: &Fixture, mut trace: Trace<Cpu>, suffix: &str, count: usize) {
    let traced = trace.take();
    assert_eq!(traced.len(), count);
    for Traced {
        name,
        shape,
        values,
    } in traced
    {
        let name = format!("{name}{suffix}");
        let expected = reference.tensor(&name);
        assert_eq!(shape, expected.shape, "shape of {name}");
        let found: Vec<f32> = values.into_data().into_vec().unwrap();
        let error = relative_error(&expected.values, &found);
        assert!(error < BOUND, "{name} is off by {error:.2e}");
    }
}

fn ids(tensor: &HostTensor) -> Vec<u32> {
    tensor.values.iter().map(|&id| id as u32).collect()
}

#[test]
fn aligners_of_every_published_form() {
    let reference = Fixture::open("trace-aligners.safetensors");
    let device = Default::default();
    for (file, embedding, tokens) in [
        ("aligner-2024-4.pt", "embedding", 4),
        ("aligner-2024-1.pt", "embedding", 1),
        ("aligner-2026-16.safetensors", "embedding", 16),
        ("aligner-linear-8.safetensors", "embedding", 8),
        ("aligner-2026-clip-6.safetensors", "embedding.clip", 6),
    ] {
        let checkpoint = open(file, names::plain);
        let config = AlignerConfig::infer(|name| checkpoint.shape(name), 24).unwrap();
        assert_eq!(config.tokens, tokens, "{file}");
        let aligner = Aligner::<Cpu>::load(&Params::new(&checkpoint, &device), &config).unwrap();
        let embedding = reference.tensor(embedding).upload(&device).unwrap();
        let name = file.split('.').next().unwrap();
        check(name, &reference.tensor(name), aligner.forward(embedding));
    }
}

/// Text through tokenizers, CLAP, T5, the projection model and GPT-2.
#[test]
fn text_path() {
    let reference = Fixture::open("trace-text.safetensors");
    let settings = reference.settings();
    let device = Default::default();
    let folder = "audioldm2-tiny";
    let file = |part: &str| format!("{folder}/{part}");

    let checkpoint = open(&file("text_encoder"), names::plain);
    let clap_config: ClapTextConfig =
        config(&file("text_encoder/config.json"), Some("text_config"));
    let clap = ClapText::<Cpu>::load(&Params::new(&checkpoint, &device), &clap_config).unwrap();
    let checkpoint = open(&file("text_encoder_2"), names::t5);
    let t5_config: T5Config = config(&file("text_encoder_2/config.json"), None);
    let t5 = T5Encoder::<Cpu>::load(&Params::new(&checkpoint, &device), &t5_config).unwrap();
    let checkpoint = open(&file("projection_model"), names::plain);
    let projection_config: ProjectionConfig = config(&file("projection_model/config.json"), None);
    let projection =
        ProjectionModel::<Cpu>::load(&Params::new(&checkpoint, &device), &projection_config)
            .unwrap();
    let checkpoint = open(&file("language_model"), names::gpt2);
    let gpt2_config: Gpt2Config = config(&file("language_model/config.json"), None);
    let gpt2 = Gpt2::<Cpu>::load(&Params::new(&checkpoint, &device), &gpt2_config).unwrap();
    let tokenizer = |part: &str| std::fs::read(fixture(&file(part))).unwrap();
    let clap_tokenizer = TextTokenizer::clap(&tokenizer("tokenizer/tokenizer.json")).unwrap();
    let t5_tokenizer = TextTokenizer::t5(&tokenizer("tokenizer_2/tokenizer.json")).unwrap();

    let prompts = settings["prompts"]
        .as_array()
        .expect("prompts in the settings");
    let mut claps = Vec::new();
    for (p, prompt) in prompts.iter().enumerate() {
        let prompt = prompt.as_str().unwrap();
        let clap_ids = clap_tokenizer.encode(prompt);
        assert_eq!(
            clap_ids,
            ids(&reference.tensor(&format!("roberta.ids.{p}")))
        );
        let t5_ids = t5_tokenizer.encode(prompt);
        assert_eq!(t5_ids, ids(&reference.tensor(&format!("t5.ids.{p}"))));

        let mut trace = Trace::new(true);
        let vector = clap.forward(&clap_ids, &mut trace).unwrap();
        let name = format!("clap.text.{p}");
        check(&name, &reference.tensor(&name), vector.clone());
        let mask = vec![vec![true; t5_ids.len()]];
        let states = t5.forward(&[t5_ids], &mask, &mut trace).unwrap();
        let name = format!("t5.output.{p}");
        check(&name, &reference.tensor(&name), states.clone());
        check_trace(&reference, trace, &format!(".{p}"), 4);
        let (sequence, mask) = projection.forward(vector.clone(), states, &mask);
        let name = format!("projection.output.{p}");
        check(&name, &reference.tensor(&name), sequence.clone());
        let tokens = gpt2.generate(sequence, Some(&mask)).unwrap();
        let name = format!("gpt2.text.tokens.{p}");
        check(&name, &reference.tensor(&name), tokens);
        claps.push(vector);
    }

    // The first prompt padded to the length of the second: masks must hide the padding.
    let padded = vec![ids(&reference.tensor("t5.padded.ids"))];
    let mask = reference.tensor("t5.padded.mask");
    let mask = vec![mask.values.iter().map(|&m| m > 0.5).collect()];
    let states = t5.forward(&padded, &mask, &mut Trace::off()).unwrap();
    let (sequence, mask) = projection.forward(claps[0].clone(), states.clone(), &mask);
    check(
        "t5.padded.output",
        &reference.tensor("t5.padded.output"),
        states,
    );
    let expected = reference.tensor("projection.padded.output");
    check("projection.padded.output", &expected, sequence.clone());
    let tokens = gpt2.generate(sequence, Some(&mask)).unwrap();
    check(
        "gpt2.padded.tokens",
        &reference.tensor("gpt2.padded.tokens"),
        tokens,
    );
}

/// The negative prompt as the authors encode it, and as stock AudioLDM 2 does.
#[test]
fn negative_prompt_in_both_forms() {
    let reference = Fixture::open("trace-imagebind.safetensors");
    let folder = "audioldm2-tiny";
    let file = |part: &str| format!("{folder}/{part}");
    let device = Default::default();
    let parts = [
        open(&file("text_encoder"), names::plain),
        open(&file("text_encoder_2"), names::t5),
        open(&file("projection_model"), names::plain),
        open(&file("language_model"), names::gpt2),
    ];
    let tokenizer = |part: &str| std::fs::read(fixture(&file(part))).unwrap();
    let text = art2mus::text::TextEncodersConfig {
        clap: config(&file("text_encoder/config.json"), Some("text_config")),
        t5: config(&file("text_encoder_2/config.json"), None),
        projection: config(&file("projection_model/config.json"), None),
    };
    let params = [&parts[0], &parts[1], &parts[2]].map(|part| Params::new(part, &device));
    let encoders = TextEncoders::<Cpu>::load(params, &text).unwrap();
    let gpt2: Gpt2Config = config(&file("language_model/config.json"), None);
    text.check(gpt2.n_embd).unwrap();
    assert!(text.check(gpt2.n_embd + 1).is_err());
    let gpt2 = Gpt2::<Cpu>::load(&Params::new(&parts[3], &device), &gpt2).unwrap();
    let tokenizers = Tokenizers::new([
        &tokenizer("tokenizer/tokenizer.json"),
        &tokenizer("tokenizer_2/tokenizer.json"),
    ])
    .unwrap();
    let conditions = |prefix| {
        let (prompt, negative) = (art2mus::text::PROMPT, art2mus::text::NEGATIVE_PROMPT);
        let texts = encoders.encode(&tokenizers, prompt, negative, prefix);
        let texts = pollster::block_on(texts).unwrap();
        pollster::block_on(TextConditions::of_texts(&texts, &gpt2, &device)).unwrap()
    };
    let both = reference.tensor("cond.gpt2");
    let row = both.values.len() / 2;
    let single = conditions(NegativePrefix::Single);
    let error = relative_error(&both.values[..row], &single.negative_tokens.values);
    assert!(error < BOUND, "single: {error:.2e}");
    let stock = conditions(NegativePrefix::Padded);
    let expected = reference.tensor("cond.gpt2.stock").values;
    let error = relative_error(&expected, &stock.negative_tokens.values);
    assert!(error < BOUND, "padded: {error:.2e}");
}

#[test]
fn audio_trunk() {
    let reference = Fixture::open("trace-audio.safetensors");
    let checkpoint = open("imagebind-tiny.pth", names::plain);
    let device = Default::default();
    let config = AudioConfig {
        width: 48,
        depth: 2,
        mlp: 192,
        embedding: 32,
        ..AudioConfig::huge()
    };
    let trunk = AudioTrunk::<Cpu>::load(&Params::new(&checkpoint, &device), &config).unwrap();
    let wave = reference.tensor("wave").values;
    let clips = HostTensor {
        shape: vec![3, 1, 128, 204],
        values: art2mus::audio::fbank::clips(&wave, 16_000).unwrap(),
    };
    let clips: Tensor<Cpu, 4> = clips.upload(&device).unwrap();
    let vector = trunk.forward(clips.clone(), &mut Trace::off());
    check(
        "audio.embedding",
        &reference.tensor("audio.embedding"),
        vector,
    );
    let mut trace = Trace::new(true);
    trunk.forward(clips.narrow(0, 0, 1), &mut trace);
    check_trace(&reference, trace, "", 2);
}

#[test]
fn imagebind_text_trunk() {
    let reference = Fixture::open("trace-imagebind-text.safetensors");
    let checkpoint = open("imagebind-tiny.pth", names::plain);
    let device = Default::default();
    let config = TextConfig {
        vocabulary: 300,
        width: 64,
        depth: 2,
        mlp: 256,
        embedding: 32,
        ..TextConfig::huge()
    };
    let trunk = TextTrunk::<Cpu>::load(&Params::new(&checkpoint, &device), &config).unwrap();
    let mut trace = Trace::new(true);
    let ids = ids(&reference.tensor("ids"));
    let vector = trunk.forward(&ids, &mut trace).unwrap();
    check(
        "text.embedding",
        &reference.tensor("text.embedding"),
        vector,
    );
    check_trace(&reference, trace, "", 2);
    assert!(trunk.forward(&ids[1..], &mut Trace::off()).is_err());
}

#[test]
fn vae_encoder() {
    let reference = Fixture::open("trace-audio.safetensors");
    let checkpoint = open("audioldm2-tiny/vae", names::vae);
    let device = Default::default();
    let config: VaeConfig = config("audioldm2-tiny/vae/config.json", None);
    let encoder = VaeEncoder::<Cpu>::load(&Params::new(&checkpoint, &device), &config).unwrap();
    let mut trace = Trace::new(true);
    let input = reference.tensor("vae.input").upload(&device).unwrap();
    let moments = encoder.encode(input, &mut trace);
    check_trace(&reference, trace, "", 5);
    // Without noise a sample is the mean.
    let zeros = moments.mean.zeros_like();
    let difference = moments.clone().sample(zeros) - moments.mean;
    assert_eq!(difference.abs().max().into_scalar(), 0.0);
}

/// OpenAI's names for the same weights give the same embedding.
#[test]
fn clip_in_openai_names() {
    let reference = Fixture::open("trace-clip.safetensors");
    let config: ClipConfig = config("clip-tiny/config.json", None);
    let device = Default::default();
    let bytes = std::fs::read(fixture("picture.png")).unwrap();
    let picture = art2mus::image::decode(&bytes).unwrap();
    let pixels = HostTensor {
        shape: vec![1, 3, 224, 224],
        values: art2mus::image::preprocess(&picture, 224),
    };
    for file in ["clip-tiny", "clip-tiny-openai.safetensors"] {
        let checkpoint = open(file, names::clip);
        let tower = ClipVision::<Cpu>::load(&Params::new(&checkpoint, &device), &config).unwrap();
        let pixels = pixels.upload(&device).unwrap();
        let embedding = tower.forward(pixels, &mut Trace::off());
        check(file, &reference.tensor("image.embedding"), embedding);
    }
}

/// The fixtures are the ones that their recipe makes.
#[test]
fn fixtures_have_their_hashes() {
    use sha2::{Digest, Sha256};
    let sums = std::fs::read_to_string(fixture("SHA256SUMS")).unwrap();
    assert!(sums.lines().count() > 40);
    for line in sums.lines() {
        let (expected, name) = line.split_once("  ").unwrap();
        let bytes = std::fs::read(fixture(name)).unwrap();
        let found: String = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(found, expected, "{name}");
    }
}
