//! Tests of the loop on tasks that are as small as they can be.

use std::fs;

use burn::{
    backend::Autodiff,
    module::{Module, Param},
    optim::GradientsParams,
    tensor::{Tensor, backend::Backend},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    clip::{clip_by_global_norm, global_norm},
    config::{Precision, RunConfig},
    *,
};
use crate::{
    model::{layers::Linear, params::Params},
    ops::Cpu,
    tensors::{Init, TensorSource, read},
};

type B = Autodiff<Cpu>;

/// Two parameters of different shapes.
#[derive(Module, Debug)]
struct Two<B: Backend> {
    a: Param<Tensor<B, 1>>,
    b: Param<Tensor<B, 2>>,
}

fn two(a: [f32; 2], b: [f32; 1]) -> Two<B> {
    struct Given([f32; 2], [f32; 1]);
    impl crate::tensors::TensorSource for Given {
        fn read(&self, name: &str, _shape: &[usize], _init: Init) -> Result<Vec<f32>> {
            Ok(match name {
                "a" => self.0.to_vec(),
                _ => self.1.to_vec(),
            })
        }
    }
    let (given, device) = (Given(a, b), Default::default());
    let params = Params::<B>::new(&given, &device);
    Two {
        a: params.get("a", [2], Init::Constant(0.0)).unwrap(),
        b: params.get("b", [1, 1], Init::Constant(0.0)).unwrap(),
    }
}

fn values<const D: usize>(tensor: Tensor<Cpu, D>) -> Vec<f32> {
    pollster::block_on(read(tensor)).unwrap()
}

#[test]
fn gradients_are_clipped_by_their_global_norm() {
    // The loss a.x + b.y has the gradients x = (3, 0) and y = 4: together 5 long, apart 3 and 4.
    let model = two([1.0, 1.0], [1.0]);
    let device = Default::default();
    let x = Tensor::<B, 1>::from_floats([3.0, 0.0], &device);
    let loss = (model.a.val() * x).sum() + (model.b.val() * 4.0).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    for (limit, expected) in [(10.0, [3.0, 0.0, 4.0]), (2.5, [1.5, 0.0, 2.0])] {
        // Gradients are taken out and put back: a copy for each limit.
        let mut own = GradientsParams::new();
        own.register(model.a.id, gradients.get::<Cpu, 1>(model.a.id).unwrap());
        own.register(model.b.id, gradients.get::<Cpu, 2>(model.b.id).unwrap());
        let norm = global_norm::<B>(&mut own, &model, &device);
        assert!((values(norm.clone())[0] - 5.0).abs() < 1e-6);
        clip_by_global_norm::<B>(&mut own, &model, norm, limit);
        let a = values(own.get::<Cpu, 1>(model.a.id).unwrap());
        let b = values(own.get::<Cpu, 2>(model.b.id).unwrap());
        for (found, expected) in [a, b].concat().iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-4,
                "{limit}: {found} {expected}"
            );
        }
    }
}

/// A GAN on numbers: the generator shifts noise until the critic cannot tell it from what is drawn around
/// 3. The critic is one line through the numbers and their squares.
struct Gan {
    run: RunConfig,
}

/// Real numbers, and noise.
type Numbers = (Vec<f32>, Vec<f32>);

impl Gan {
    fn score(critic: &Linear<B>, numbers: Tensor<B, 2>) -> Tensor<B, 2> {
        let features = Tensor::cat(vec![numbers.clone(), numbers.powi_scalar(2) * 0.1], 1);
        critic.forward(features)
    }
}

impl Task<B> for Gan {
    type Learners = (Learner<B, Linear<B>>, Learner<B, Linear<B>>);
    type Batch = Numbers;

    fn learners(&self, start: &Start<B>) -> Result<Self::Learners> {
        let config = self.run.optimiser();
        // The critic learns faster, and only the generator is averaged.
        let faster = config::OptimiserConfig {
            learning_rate: 2.0 * config.learning_rate,
            average: None,
            ..config
        };
        Ok((
            start.learner("critic", faster, &[], |p| Linear::load(p, 2, 1))?,
            start.learner("generator", config, &[], |p| Linear::load(p, 1, 1))?,
        ))
    }

    fn batch(&self, number: usize) -> Result<Numbers> {
        let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
        let mut draw = |middle: f32| -> Vec<f32> {
            let spread = (0..self.run.batch).map(|_| rng.random_range(-1.0..1.0f32));
            spread.map(|x| middle + x).collect()
        };
        Ok((draw(3.0), draw(0.0)))
    }

    /// Least squares: Mao et al., "Least Squares Generative Adversarial Networks", 2017.
    fn losses(
        &self,
        (critic, generator): &Self::Learners,
        learner: usize,
        (real, noise): &Numbers,
    ) -> Result<Losses<B>> {
        let column = |values: &Vec<f32>| {
            tensor::<B, 2>(values.clone(), [values.len(), 1], &Default::default())
        };
        let made = generator.model().forward(column(noise));
        let total = if learner == 0 {
            let real = Gan::score(critic.model(), column(real)) - 1.0;
            let made = Gan::score(critic.model(), made.detach());
            real.powi_scalar(2).mean() + made.powi_scalar(2).mean()
        } else {
            let made = Gan::score(critic.model(), made) - 1.0;
            made.powi_scalar(2).mean()
        };
        Ok(Losses {
            total,
            parts: Vec::new(),
        })
    }

    fn validate(&self, (_, generator): &Self::Learners) -> Result<Vec<(&'static str, f64)>> {
        let zero = tensor::<Cpu, 2>(vec![0.0], [1, 1], &Default::default());
        let middle = values(generator.valid().forward(zero));
        Ok(vec![("middle", f64::from(middle[0]))])
    }
}

fn gan(steps: usize) -> Gan {
    let text = format!(
        "steps = {steps}\nbatch = 16\naccumulation = 2\nlearning_rate = 0.02\nclip = 1.0\naverage = 0.9\n\
         log_every = 1\nvalidate_every = 4\ncheckpoint_every = 6"
    );
    Gan {
        run: toml::from_str(&text).unwrap(),
    }
}

fn description(run: &RunConfig) -> Description {
    Description {
        configuration: serde_json::json!({ "gan": { "run": run } }),
        training: "numbers".into(),
        validation: "numbers".into(),
        frozen: Default::default(),
    }
}

fn train(task: &Gan, folder: &std::path::Path) -> Result<()> {
    let folder = RunFolder::open(folder, description(&task.run))?;
    run("gan", task, &task.run, &folder, 2, &Default::default())
}

#[test]
fn two_optimisers_resume_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path();
    let task = gan(12);
    train(&task, own).unwrap();
    let files = || ["final.safetensors", "log.csv"].map(|name| fs::read(own.join(name)).unwrap());
    let last = || {
        let names = ["weights.safetensors", "average.safetensors"];
        names.map(|name| fs::read(own.join("step-00000012").join(name)).unwrap())
    };
    let (whole, checkpoint) = (files(), last());
    let log = String::from_utf8_lossy(&whole[1]).into_owned();
    for figure in [
        "critic: loss",
        "generator: loss",
        "generator: gradient norm",
    ] {
        assert!(log.contains(figure), "{log}");
    }
    let places = own.join("step-00000012");
    assert!(places.join("optimiser-critic.bin").is_file());
    assert!(places.join("optimiser-generator.bin").is_file());
    // As if the program had been stopped behind the checkpoint of step 6.
    fs::remove_file(own.join("final.safetensors")).unwrap();
    fs::remove_dir_all(&places).unwrap();
    train(&task, own).unwrap();
    assert!(files() == whole);
    assert!(last() == checkpoint);
    let file = crate::checkpoint::Checkpoint::open(&own.join("final.safetensors")).unwrap();
    let mut names: Vec<&str> = file.names().collect();
    names.sort_unstable();
    let expected = [
        "critic.bias",
        "critic.weight",
        "generator.bias",
        "generator.weight",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_weights_that_validate_best_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path();
    let mut task = gan(24);
    task.run.average = None;
    task.run.keep_best = true;
    train(&task, own).unwrap();
    let read = |name: &str| fs::read(own.join(name)).unwrap();
    let whole = read("final.safetensors");
    assert!(read("best.safetensors") == whole);
    // What is validated is the generator's bias, every four steps.
    let file = crate::checkpoint::Checkpoint::open(&own.join("final.safetensors")).unwrap();
    let bias = file
        .read("generator.bias", &[1], Init::Constant(0.0))
        .unwrap()[0];
    let log = String::from_utf8(read("log.csv")).unwrap();
    let middles = log
        .lines()
        .filter_map(|line| line.split_once(",validation: middle,"));
    let middles: Vec<f64> = middles.map(|(_, middle)| middle.parse().unwrap()).collect();
    let least = middles.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(middles.len(), 6);
    assert!((f64::from(bias) - least).abs() < 1e-6, "{bias} {middles:?}");
    // As if the program had been stopped behind the checkpoint of step 18.
    fs::remove_file(own.join("final.safetensors")).unwrap();
    fs::remove_dir_all(own.join("step-00000024")).unwrap();
    train(&task, own).unwrap();
    assert!(read("final.safetensors") == whole);
    // What another run has kept is refused.
    fs::remove_file(own.join("final.safetensors")).unwrap();
    for step in ["step-00000018", "step-00000024"] {
        fs::remove_dir_all(own.join(step)).unwrap();
    }
    task.run.seed = 9;
    let error = train(&task, own).unwrap_err();
    assert!(
        error
            .message()
            .contains("best.safetensors belongs to another run"),
        "{error}"
    );
}

#[test]
fn a_run_that_is_another_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let task = gan(12);
    train(&task, folder.path()).unwrap();
    let changed = |steps: usize| {
        let error = train(&gan(steps), folder.path()).unwrap_err();
        let expected = format!("gan.run.steps was 12 and is {steps}");
        assert!(error.message().contains(&expected), "{error}");
    };
    // A finished run, and one that was stopped.
    let finished = RunFolder::open(folder.path(), description(&task.run)).unwrap();
    assert!(finished.is_finished());
    drop(finished);
    changed(13);
    fs::remove_file(folder.path().join("final.safetensors")).unwrap();
    changed(24);
    let mut other = description(&task.run);
    other.training = "letters".into();
    let error = RunFolder::open(folder.path(), other).unwrap_err();
    assert!(
        error.message().contains("the training pairs are others"),
        "{error}"
    );
}

#[test]
fn one_program_trains_in_a_folder_and_clears_it_up() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path();
    let open = || RunFolder::open(own, description(&gan(12).run));
    let left = [".art2mus-unfinished-a", ".art2mus-unfinished-b"].map(|name| own.join(name));
    fs::create_dir(&left[0]).unwrap();
    fs::write(left[0].join("weights.safetensors"), "half").unwrap();
    fs::write(&left[1], "half").unwrap();
    let first = open().unwrap();
    assert!(left.iter().all(|path| !path.exists()));
    let error = open().unwrap_err();
    assert!(
        error.message().contains("another program is training in"),
        "{error}"
    );
    drop(first);
    open().unwrap();
}

#[test]
fn cut_files_are_told_with_what_to_remove() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path();
    let task = gan(12);
    train(&task, own).unwrap();
    let whole = fs::read(own.join("final.safetensors")).unwrap();
    let cut = |file: &std::path::Path, hint: &str| {
        let sound = fs::read(file).unwrap();
        for length in [0, 5, sound.len() / 3, sound.len() / 2, sound.len() - 1] {
            fs::write(file, &sound[..length]).unwrap();
            let error = train(&task, own).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Format, "{length}: {error}");
            assert!(error.message().contains("damaged"), "{error}");
            assert!(error.hint().contains(hint), "{error}");
        }
        fs::write(file, &sound).unwrap();
    };
    cut(&own.join("final.safetensors"), "remove it and train again");
    fs::remove_file(own.join("final.safetensors")).unwrap();
    let last = own.join("step-00000012");
    for name in [
        "run.json",
        "weights.safetensors",
        "average.safetensors",
        "optimiser-critic.bin",
        "optimiser-generator.bin",
    ] {
        cut(&last.join(name), "remove that folder");
    }
    // As the hint says: the one before it is used.
    fs::remove_dir_all(&last).unwrap();
    train(&task, own).unwrap();
    assert!(fs::read(own.join("final.safetensors")).unwrap() == whole);
}

#[test]
fn two_optimisers_train_each_other() {
    let folder = tempfile::tempdir().unwrap();
    train(&gan(400), folder.path()).unwrap();
    let log = fs::read_to_string(folder.path().join("log.csv")).unwrap();
    let middles: Vec<f64> = log
        .lines()
        .filter_map(|line| line.split_once(",validation: middle,")?.1.parse().ok())
        .collect();
    let off = |from: usize, to: usize| {
        let some = &middles[from..to];
        some.iter().map(|x| (x - 3.0).abs()).sum::<f64>() / some.len() as f64
    };
    // It circles around its aim, as such games do.
    assert!(off(0, 10) > 1.5 && off(90, 100) < 1.0, "{middles:?}");
}

#[test]
fn steps_too_small_for_bf16_are_not_lost() {
    let device = Default::default();
    let config: RunConfig = toml::from_str("steps = 100\nbatch = 1\nlearning_rate = 1e-5").unwrap();
    let learn = |precision| {
        let start = Start::<B> {
            device: &device,
            seed: 3,
            precision,
            weights: None,
            checkpoint: None,
        };
        let load = |p: &Params<B>| Linear::load(p, 1, 1);
        let mut learner = start.learner("", config.optimiser(), &[], load).unwrap();
        let before = values(
            learner
                .valid()
                .forward(Tensor::<_, 2>::ones([1, 1], &device)),
        )[0];
        for step in 0..100 {
            let out = learner
                .model()
                .forward(Tensor::<_, 2>::ones([1, 1], &device));
            let expected = precision.dtype();
            assert_eq!(out.dtype(), expected.into());
            let mut gradients = out.cast(burn::tensor::FloatDType::F32).sum().backward();
            learner.accumulate(&mut gradients);
            learner.update(step, 100);
        }
        let after = values(
            learner
                .valid()
                .forward(Tensor::<_, 2>::ones([1, 1], &device)),
        )[0];
        before - after
    };
    // Weight and bias move by the learning rate in every step, which falls along half a cosine only
    // where the configuration says so.
    let [full, mixed] = [Precision::F32, Precision::Bf16].map(learn);
    assert!((full - 2e-3).abs() < 1e-4, "{full}");
    assert!((mixed - full).abs() < 1e-4, "{full} {mixed}");
}

#[test]
fn recomputed_activations_give_the_same_gradients() {
    use burn::backend::autodiff::checkpoint::strategy::BalancedCheckpointing;
    type Recomputing = Autodiff<Cpu, BalancedCheckpointing>;
    fn gradient<B: TrainingBackend>() -> Vec<f32> {
        let device = Default::default();
        let fresh = crate::model::params::FreshInit::new(5);
        let p = Params::<B>::new(&fresh, &device);
        let first = Linear::load(&p.at("first"), 4, 8).unwrap();
        let second = Linear::load(&p.at("second"), 8, 1).unwrap();
        let x = Tensor::<B, 2>::ones([2, 4], &device);
        let hidden = first.forward(x).tanh().exp().log().powi_scalar(2);
        let loss = second.forward(hidden).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &first);
        let Some(id) = burn::module::list_param_ids(&first).into_iter().next() else {
            return Vec::new();
        };
        let weight = gradients.get::<B::InnerBackend, 2>(id);
        let weight = weight.map(|tensor| pollster::block_on(read(tensor)).unwrap());
        weight.unwrap_or_default()
    }
    let kept = gradient::<B>();
    assert_eq!(kept.len(), 32);
    assert_eq!(kept, gradient::<Recomputing>());
}
