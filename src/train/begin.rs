//! The weights that a run begins with: a file of another run's, or a bundle.

use std::{
    cell::RefCell,
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::export::standardise;
use crate::{
    Error, Result,
    checkpoint::Checkpoint,
    systems::{
        art_to_mus::{MelScale, kind, stage},
        config,
    },
    tensors::{Init, TensorSource},
    weights::{Bundle, Location},
};

/// The file in which a bundle lists what it has.
const MANIFEST: &str = "manifest.json";

/// Another run's weights.
#[derive(Debug)]
pub(super) enum Earlier {
    /// `final.safetensors`, or any checkpoint of those names.
    File(Checkpoint),
    /// A folder that `art2mus pretrain`, `train` or `convert` has written.
    Bundle(Box<BundleParts>),
}

impl Earlier {
    /// Opens what is at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        if path.join(MANIFEST).is_file() {
            return Ok(Self::Bundle(Box::new(BundleParts::open(path)?)));
        }
        Checkpoint::open(path).map(Self::File)
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::File(file) => file.shape(name).is_some(),
            Self::Bundle(bundle) => bundle.find(name).is_some(),
        }
    }

    fn place(&self) -> &Path {
        match self {
            Self::File(file) => file.place(),
            Self::Bundle(bundle) => &bundle.place,
        }
    }
}

/// Shapes and elements by full names.
type Tensors = HashMap<String, (Vec<usize>, Vec<f32>)>;

/// The tensors of a bundle by the names that parts give them.
#[derive(Debug)]
pub(super) struct BundleParts {
    place: PathBuf,
    bundle: Bundle,
    /// Stage and full name of every tensor, by its name without the network's kind before it.
    places: HashMap<String, (String, String)>,
    /// What the decoder's spectrograms were scaled with, where they were.
    mel_scale: Option<MelScale>,
    /// The tensors of the stage that was read last.
    read: RefCell<(String, Tensors)>,
}

impl BundleParts {
    fn open(place: &Path) -> Result<Self> {
        let bundle = pollster::block_on(Bundle::open(Location::Folder(place.into())))?;
        let manifest = bundle.manifest();
        let mut places = HashMap::new();
        for stage in manifest.stages.iter().filter(|s| s.name != stage::TEXT) {
            for tensor in &stage.tensors {
                let found = (stage.name.clone(), tensor.name.clone());
                // GPT-2 and the UNet are two parts of one run, which keeps their kinds in its names.
                let own = match tensor.name.split_once('.') {
                    Some((kind::CONSTANTS, "negative_tokens")) => "unconditional",
                    Some((kind::GPT2 | kind::UNET, _)) | None => &tensor.name,
                    Some((_, rest)) => rest,
                };
                places.insert(own.to_string(), found);
            }
        }
        let training = manifest.find_stage(stage::TRAINING);
        let mel_scale = training.and_then(|training| config(training, kind::MEL_SCALE).ok());
        Ok(Self {
            place: place.to_path_buf(),
            places,
            mel_scale,
            read: RefCell::default(),
            bundle,
        })
    }

    fn find(&self, name: &str) -> Option<&(String, String)> {
        self.places.get(name)
    }

    /// Reads a stage whole, if it is not there.
    fn read_stage(&self, stage: &str) -> Result<()> {
        if self.read.borrow().0 == stage {
            return Ok(());
        }
        let weights = pollster::block_on(self.bundle.load(stage, &mut |_| ()))?;
        let entries = &self.bundle.manifest().stage(stage)?.tensors;
        let tensors = entries
            .iter()
            .map(|entry| Ok((entry.name.clone(), weights.tensor(&entry.name)?)));
        let tensors = tensors.collect::<Result<_>>()?;
        *self.read.borrow_mut() = (stage.to_string(), tensors);
        Ok(())
    }
}

impl TensorSource for BundleParts {
    fn read(&self, name: &str, shape: &[usize], _: Init) -> Result<Vec<f32>> {
        let missing = || Error::internal(format!("{} has no {name}", self.place.display()));
        let (stage, full) = self.find(name).ok_or_else(missing)?;
        self.read_stage(stage)?;
        let read = self.read.borrow();
        let (own, values) = read.1.get(full).ok_or_else(missing)?;
        if own != shape {
            return Err(Error::input(
                format!(
                    "{name} of {} has shape {own:?} where {shape:?} is needed",
                    self.place.display()
                ),
                "begin with networks of the same sizes",
            ));
        }
        let mut values = values.clone();
        if let Some(scale) = self.mel_scale {
            standardise(name, scale, &mut values);
        }
        Ok(values)
    }
}

/// Tensors of another run, and from another source those that it lacks.
pub(super) struct Begun<'a> {
    earlier: &'a Earlier,
    rest: &'a dyn TensorSource,
    /// How many tensors were read, and those that begin fresh.
    fresh: RefCell<(usize, Vec<String>)>,
}

impl<'a> Begun<'a> {
    /// Those of `earlier`, and what it lacks of `rest`.
    pub fn new(earlier: &'a Earlier, rest: &'a dyn TensorSource) -> Self {
        Self {
            earlier,
            rest,
            fresh: RefCell::default(),
        }
    }

    /// Says which tensors began fresh.
    pub fn report(&self) {
        let (all, names) = &*self.fresh.borrow();
        if let Some(first) = names.first() {
            eprintln!(
                "note: {} of {all} tensors are not in {} and begin fresh: {first}{}",
                names.len(),
                self.earlier.place().display(),
                if names.len() > 1 { " and others" } else { "" },
            );
        }
    }
}

impl TensorSource for Begun<'_> {
    fn read(&self, name: &str, shape: &[usize], init: Init) -> Result<Vec<f32>> {
        let mut fresh = self.fresh.borrow_mut();
        fresh.0 += 1;
        if !self.earlier.has(name) {
            fresh.1.push(name.to_string());
            return self.rest.read(name, shape, init);
        }
        match self.earlier {
            Earlier::File(file) => file.read(name, shape, init),
            Earlier::Bundle(bundle) => bundle.read(name, shape, init),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::{Dtype, serialize_to_file, tensor::TensorView};

    struct Sevens;

    impl TensorSource for Sevens {
        fn read(&self, _: &str, shape: &[usize], _: Init) -> Result<Vec<f32>> {
            Ok(vec![7.0; shape.iter().product()])
        }
    }

    #[test]
    fn a_run_begins_with_what_a_file_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("final.safetensors");
        let values: Vec<u8> = [1.0f32, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, vec![2], &values).unwrap();
        serialize_to_file([("known", view)], None, &path).unwrap();
        let earlier = Earlier::open(&path).unwrap();
        let begun = Begun::new(&earlier, &Sevens);
        let init = Init::Constant(0.0);
        assert_eq!(begun.read("known", &[2], init).unwrap(), [1.0, 2.0]);
        assert_eq!(begun.read("new", &[3], init).unwrap(), [7.0; 3]);
        let error = begun.read("known", &[3], init).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("has shape [2] where [3] is needed")
        );
    }
}
