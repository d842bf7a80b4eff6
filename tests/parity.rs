//! Agreement with the PyTorch reference, stage by stage, on small random checkpoints.
//!
//! `tests/fixtures/README.md` says how the fixtures were made. The bounds are those of the design:
//! relative error below 1e-3 on the CPU and 2e-3 on a GPU, in f32. Tiles of f16, which some GPUs get, round what
//! goes into a product to 11 bits.
#![cfg(all(feature = "wgpu", not(target_family = "wasm")))]

mod common;

use art2mus::{
    device::{DeviceChoice, choose},
    diffusion::SchedulerKind,
    evaluate::apart,
    ops::{Cpu, Gpu, Kernels},
    pipeline::{Helpers, Part},
    systems::{
        Output, Request,
        art_to_mus::{ArtToMus, Settings},
    },
    tensors::HostTensor,
    weights::{Bundle, LocalFuture, Location},
};
use common::{Fixture, fixture, relative_error, skipped};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

const CPU_BOUND: f64 = 1e-3;
const GPU_BOUND: f64 = 2e-3;
const F16_BOUND: f64 = 1e-2;

/// The reference that a bundle is compared with, and how it was made.
struct Case {
    trace: &'static str,
    picture_encoder: [&'static str; 2],
    aligner: &'static str,
    steps: usize,
    /// Names in the reference that a generation does not make; other tests cover them.
    elsewhere: &'static [&'static str],
}

const IMAGEBIND: Case = Case {
    trace: "trace-imagebind.safetensors",
    picture_encoder: ["--imagebind", "imagebind-tiny.pth"],
    aligner: "aligner-2024-4.pt",
    steps: 3,
    elsewhere: &["cond.gpt2.stock", "ddim.timesteps", "dpm."],
};

const CLIP: Case = Case {
    trace: "trace-clip.safetensors",
    picture_encoder: ["--clip", "clip-tiny"],
    aligner: "aligner-2026-clip-6.safetensors",
    steps: 2,
    elsewhere: &["ddim.timesteps"],
};

fn settings(scheduler: SchedulerKind, steps: usize) -> Settings {
    Settings {
        seconds: 0.5,
        steps,
        scheduler,
        guidance: 3.5,
        seed: 0,
        candidates: 1,
        transpose: None,
        tempo: None,
        loudness: None,
        prompt: None,
        negative: None,
    }
}

fn generate<B: Kernels>(case: &Case, settings: Settings, dtype: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    let [flag, encoder] = case.picture_encoder;
    common::convert(&[flag, encoder], case.aligner, &bundle, &["--dtype", dtype]);
    let reference = Fixture::open(case.trace);
    let bytes = std::fs::read(fixture("picture.png")).unwrap();
    let picture = art2mus::image::decode(&bytes).unwrap();
    let bundle = pollster::block_on(Bundle::open(Location::Folder(bundle))).unwrap();
    let system = ArtToMus::<B>::new(bundle, Default::default()).unwrap();
    let request = Request {
        latents: Some(reference.tensor("latents.initial")),
        trace: true,
        ..Request::new(settings)
    };
    pollster::block_on(system.generate(&picture, &request, &mut ())).unwrap()
}

/// Compares every tensor of the reference that `wanted` accepts; returns how many there were.
fn compare(output: &Output, case: &Case, bound: f64, wanted: impl Fn(&str) -> bool) -> usize {
    let reference = Fixture::open(case.trace);
    let mut compared = 0;
    for name in reference.names().filter(|name| wanted(name)) {
        let expected = reference.tensor(name);
        let found = output.trace.iter().find(|(n, _)| n == name);
        let (_, found) = found.unwrap_or_else(|| panic!("{name} was not traced"));
        assert_eq!(found.shape, expected.shape, "shape of {name}");
        let error = relative_error(&expected.values, &found.values);
        assert!(error < bound, "{name} is off by {error:.2e}");
        compared += 1;
    }
    compared
}

fn check_case<B: Kernels>(case: &Case, bound: f64, at_least: usize) {
    let output = generate::<B>(case, settings(SchedulerKind::Ddim, case.steps), "f32");
    let elsewhere = |name: &str| case.elsewhere.iter().any(|prefix| name.starts_with(prefix));
    let compared = compare(&output, case, bound, |name| !elsewhere(name));
    assert!(
        compared >= at_least,
        "only {compared} tensors were compared"
    );
}

fn check_dpm<B: Kernels>(bound: f64) {
    let output = generate::<B>(&IMAGEBIND, settings(SchedulerKind::Dpmpp, 4), "f32");
    let dpm = |name: &str| name.starts_with("dpm.latents.");
    assert_eq!(compare(&output, &IMAGEBIND, bound, dpm), 4);
}

/// What may differ with the kernels that were chosen for the GPU.
fn gpu_bound() -> f64 {
    if Gpu::kernels(&Default::default()).contains("f16") {
        return F16_BOUND;
    }
    GPU_BOUND
}

/// Says so when there is no GPU, not even a software one.
fn gpu_is_missing() -> bool {
    let missing = choose(DeviceChoice::Wgpu).is_err();
    if missing {
        // Where a software device was installed on purpose, its silence is a fault.
        assert!(
            std::env::var_os("ART2MUS_REQUIRE_GPU").is_none(),
            "no Vulkan device answers"
        );
        skipped("no Vulkan device answers");
    }
    missing
}

/// Another engine with the same bundle.
#[derive(Debug)]
struct Other {
    system: ArtToMus<Cpu>,
    fails: bool,
    asked: AtomicUsize,
}

impl Helpers for Other {
    fn expected(&self, parts: usize) -> usize {
        parts.min(2) - 1
    }

    fn count(&self) -> usize {
        1
    }

    fn start<'a>(&'a self, _: usize, part: Part) -> LocalFuture<'a, art2mus::Result<HostTensor>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let part = match self.fails {
            true => Part {
                tensors: Vec::new(),
                ..part
            },
            false => part,
        };
        Box::pin(async move { self.system.compute(&part, &mut ()).await })
    }
}

#[test]
fn helpers_compute_parts_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("bundle");
    let encoder = IMAGEBIND.picture_encoder;
    common::convert(&encoder, IMAGEBIND.aligner, &folder, &["--dtype", "f32"]);
    let open = || {
        let location = Location::Folder(folder.clone());
        let bundle = pollster::block_on(Bundle::open(location)).unwrap();
        ArtToMus::<Cpu>::new(bundle, Default::default()).unwrap()
    };
    let bytes = std::fs::read(fixture("picture.png")).unwrap();
    let picture = art2mus::image::decode(&bytes).unwrap();
    for guidance in [3.5, 1.0] {
        let settings = Settings {
            guidance,
            seed: 7,
            candidates: 2,
            ..settings(SchedulerKind::Dpmpp, 3)
        };
        let make = |system: &ArtToMus<Cpu>| {
            let request = Request::new(settings.clone());
            pollster::block_on(system.generate(&picture, &request, &mut ())).unwrap()
        };
        let alone = make(&open());
        for fails in [false, true] {
            let other = Arc::new(Other {
                system: open(),
                fails,
                asked: AtomicUsize::new(0),
            });
            let mut system = open();
            system.set_helpers(other.clone());
            let work = system.work(&settings).unwrap();
            let parts: Vec<usize> = work.iter().map(|work| work.parts).collect();
            let halves = if guidance == 1.0 { 1 } else { 2 };
            assert_eq!(parts, [1, 1, halves, 1, 2, 1]);
            let together = make(&system);
            // One half of each step of each candidate, and half of its sound.
            assert_eq!(other.asked.load(Ordering::Relaxed), (halves - 1) * 6 + 2);
            for (a, b) in alone.pieces.iter().zip(&together.pieces) {
                let error = relative_error(&a.latents.values, &b.latents.values);
                assert!(error < 1e-5, "off by {error:.2e}");
            }
        }
    }
}

#[test]
fn imagebind_agrees_on_the_cpu() {
    check_case::<Cpu>(&IMAGEBIND, CPU_BOUND, 35);
}

#[test]
fn clip_agrees_on_the_cpu() {
    check_case::<Cpu>(&CLIP, CPU_BOUND, 12);
}

#[test]
fn dpm_solver_agrees_on_the_cpu() {
    check_dpm::<Cpu>(CPU_BOUND);
}

#[test]
fn imagebind_agrees_on_the_gpu() {
    if !gpu_is_missing() {
        check_case::<Gpu>(&IMAGEBIND, gpu_bound(), 35);
    }
}

#[test]
fn clip_agrees_on_the_gpu() {
    if !gpu_is_missing() {
        check_case::<Gpu>(&CLIP, gpu_bound(), 12);
    }
}

#[test]
fn dpm_solver_agrees_on_the_gpu() {
    if !gpu_is_missing() {
        check_dpm::<Gpu>(gpu_bound());
    }
}

/// The schedulers' timesteps are the library's.
#[test]
fn timesteps_agree() {
    use art2mus::diffusion::{NoiseSchedule, Sampler, ScheduleConfig};
    let reference = Fixture::open(IMAGEBIND.trace);
    let schedule = NoiseSchedule::new(&ScheduleConfig::default()).unwrap();
    for (name, kind, steps) in [
        ("ddim.timesteps", SchedulerKind::Ddim, 3),
        ("dpm.timesteps", SchedulerKind::Dpmpp, 4),
    ] {
        let sampler = Sampler::<Cpu>::new(kind, &schedule, steps).unwrap();
        let ours: Vec<f32> = sampler.timesteps().iter().map(|&t| t as f32).collect();
        assert_eq!(ours, reference.tensor(name).values, "{name}");
    }
}

/// f16 storage changes the music hardly at all.
#[test]
fn f16_bundle_stays_close() {
    let reference = Fixture::open(IMAGEBIND.trace);
    let settings = settings(SchedulerKind::Ddim, IMAGEBIND.steps);
    let output = generate::<Cpu>(&IMAGEBIND, settings, "f16");
    let error = relative_error(
        &reference.tensor("waveform").values,
        &output.pieces[0].samples,
    );
    // Half precision has 11 bits; through 2,000 layers of random weights a few of them are lost.
    assert!(error > 0.0 && error < 2e-2, "{error:.2e}");
}

/// Packed weights change the music little: what is asked of q8, on random weights.
#[test]
fn q8_bundle_stays_close() {
    let run = |dtype| {
        let settings = settings(SchedulerKind::Ddim, IMAGEBIND.steps);
        generate::<Cpu>(&IMAGEBIND, settings, dtype)
    };
    let plain = run("f32");
    let (cosine, log_mel) = apart(&run("q8"), &plain).unwrap();
    assert!(cosine > 0.999 && cosine < 1.0, "{cosine}");
    assert!(log_mel > 0.0 && log_mel < 0.1, "{log_mel}");
    // Half of the bits: heard, but it is the same music.
    let (_, rougher) = apart(&run("q4"), &plain).unwrap();
    assert!(rougher > log_mel && rougher < 1.0, "{rougher}");
}
