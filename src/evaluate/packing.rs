//! What packing a bundle's weights costs, against the same bundle with other weights.

use serde::Serialize;

use super::PICTURE;
use crate::{
    Error, Result,
    audio::spectrogram::{Spectrogram, SpectrogramConfig},
    dataset::{
        Rendered, Source, Split,
        material::{Material, MaterialConfig},
    },
    ops::Kernels,
    systems::{
        Output, Request,
        art_to_mus::{ArtToMus, Settings},
    },
    tensors::cosine,
    weights::Bundle,
};

/// The length of the music that is not asked for.
const SECONDS: f64 = 5.0;

/// How far two bundles are apart that hold the same networks.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// Pictures that were compared.
    pub pictures: usize,
    /// The smallest cosine between the embeddings of a picture.
    pub embedding_cosine: f64,
    /// The mean distance of natural logarithms of mel spectrograms of the music, from the same noise.
    pub log_mel: f64,
    /// The largest one of a picture.
    pub worst_log_mel: f64,
}

impl Difference {
    /// Compares what `bundle` and `other` make of `pictures` test pictures.
    pub fn measure<B: Kernels>(
        bundle: &Bundle,
        other: &Bundle,
        device: &B::Device,
        pictures: usize,
    ) -> Result<Self> {
        let ours = ArtToMus::<B>::new(bundle.clone(), device.clone())?;
        let theirs = ArtToMus::<B>::new(other.clone(), device.clone())?;
        let (mut cosines, mut distances) = (Vec::new(), Vec::new());
        // Nothing but pictures that are painted here: they are the same everywhere.
        let material = Material::open(&MaterialConfig::default(), SECONDS)?;
        let source = Rendered::new(material, Split::Test, PICTURE);
        for index in 0..pictures {
            let picture = source.picture(index)?;
            let request = Request {
                trace: true,
                ..Request::new(Settings::from_defaults(ours.defaults(), index as u64))
            };
            let make = |system: &ArtToMus<B>| {
                pollster::block_on(system.generate(&picture, &request, &mut ()))
            };
            let (cosine, distance) = apart(&make(&ours)?, &make(&theirs)?)?;
            cosines.push(cosine);
            distances.push(distance);
        }
        Ok(Self {
            pictures,
            embedding_cosine: cosines.into_iter().fold(1.0, f64::min),
            log_mel: distances.iter().sum::<f64>() / pictures.max(1) as f64,
            worst_log_mel: distances.into_iter().fold(0.0, f64::max),
        })
    }
}

/// How far two traced runs are apart: the cosine between their pictures' embeddings, and the mean distance of
/// natural logarithms of mel spectrograms of their first pieces.
pub fn apart(ours: &Output, theirs: &Output) -> Result<(f64, f64)> {
    let (a, b) = (embedding(ours)?, embedding(theirs)?);
    if a.len() != b.len() {
        return Err(Error::input(
            "the two bundles hold other networks",
            "compare bundles that were made from one checkpoint",
        ));
    }
    Ok((f64::from(cosine(a, b)), distance(ours, theirs)?))
}

fn embedding(output: &Output) -> Result<&[f32]> {
    let found = output
        .trace
        .iter()
        .find(|(name, _)| name == "image.embedding");
    found
        .map(|(_, tensor)| tensor.values.as_slice())
        .ok_or_else(|| Error::internal("a run without an embedding"))
}

/// The mean absolute difference of log-mel values.
fn distance(a: &Output, b: &Output) -> Result<f64> {
    let spectrogram = Spectrogram::new(&SpectrogramConfig::audioldm())?;
    let mel = |output: &Output| -> Result<Vec<f32>> {
        let samples = output.pieces.first().map(|piece| piece.samples.as_slice());
        spectrogram.compute(samples.unwrap_or_default())
    };
    let (a, b) = (mel(a)?, mel(b)?);
    let count = a.len().min(b.len()).max(1);
    let total: f64 = a
        .iter()
        .zip(&b)
        .map(|(a, b)| f64::from((a - b).abs()))
        .sum();
    Ok(total / count as f64)
}
