//! Where training gets its items from, as the command line says it.

use std::{
    cell::OnceCell,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    Result,
    dataset::{
        ArtSound, JsonLines, Parts, Rendered, SkipLog, Source, Split, Subset, cores,
        material::{Material, MaterialConfig},
    },
    train::data::{Data, Sources},
};

#[derive(Debug, clap::Args)]
pub(super) struct DataArguments {
    /// Pairs to learn from: JSON lines with `picture` and `music` (for art2music `comment`, too), or with --pictures and --music ArtSound's
    /// list. Material of the configuration's table `material` when left out.
    #[arg(long)]
    pairs: Option<PathBuf>,
    /// Pairs to validate on, as JSON lines. When left out: 100 of ArtSound's test part, or material.
    #[arg(long)]
    validation: Option<PathBuf>,
    /// The folder that ArtSound's pictures lie in.
    #[arg(long, requires_all = ["pairs", "music"])]
    pictures: Option<PathBuf>,
    /// The folder that ArtSound's music lies in.
    #[arg(long, requires_all = ["pairs", "pictures"])]
    music: Option<PathBuf>,
    /// Styles of ArtSound's pictures, so that every style is split alike: a JSON object of file names and styles, or CSV
    /// with the columns file and style.
    #[arg(long, requires = "pictures")]
    styles: Option<PathBuf>,
    /// Where encoded items are kept; beside the run when left out.
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Threads that read items; as many as cores when left out.
    #[arg(long, value_parser = clap::value_parser!(u16).range(..=1024))]
    threads: Option<u16>,
}

impl DataArguments {
    /// Where items come from: what the command line names, or else `material`, with pictures of `size` pixels where they
    /// are painted here and `seconds` of music.
    pub fn sources(
        &self,
        material: &MaterialConfig,
        (size, seconds): (usize, f64),
    ) -> Result<Sources> {
        let opened: OnceCell<Arc<Material>> = OnceCell::new();
        let rendered = |split| -> Result<Arc<dyn Source>> {
            let material = match opened.get() {
                Some(material) => material.clone(),
                None => {
                    let material = Material::open(material, seconds)?;
                    material.check_instruments()?;
                    super::material::report_skipped(&material);
                    opened.get_or_init(|| material).clone()
                }
            };
            Ok(Arc::new(Rendered::new(material, split, size)))
        };
        let (training, validation) = match (&self.pairs, &self.pictures, &self.music) {
            (None, ..) => (rendered(Split::Training)?, None),
            (Some(list), Some(pictures), Some(music)) => {
                let (training, validation) = self.art_sound(list, pictures, music)?;
                (training, Some(validation))
            }
            (Some(list), ..) => {
                let training: Arc<dyn Source> = Arc::new(JsonLines::open(list)?);
                (training, None)
            }
        };
        let validation = match &self.validation {
            Some(list) => Arc::new(JsonLines::open(list)?),
            None => match validation {
                Some(validation) => validation,
                None => rendered(Split::Validation)?,
            },
        };
        Ok(Sources {
            training,
            validation,
        })
    }

    /// The items of `sources`, encoded in `cache` unless the command line names another place.
    pub fn open(&self, sources: Sources, skipped: SkipLog, cache: &Path) -> Data {
        let cache = self.cache.as_deref().unwrap_or(cache);
        self.open_at(sources, skipped, cache)
    }

    /// The same, encoded in `cache` whatever the command line names.
    pub fn open_at(&self, sources: Sources, skipped: SkipLog, cache: &Path) -> Data {
        Data {
            training: sources.training,
            validation: sources.validation,
            cache: cache.to_path_buf(),
            skipped,
            threads: self.threads.map_or_else(cores, usize::from),
        }
    }

    /// ArtSound's training part, and items of its test part.
    fn art_sound(
        &self,
        list: &Path,
        pictures: &Path,
        music: &Path,
    ) -> Result<(Arc<dyn Source>, Arc<dyn Source>)> {
        let all = ArtSound::open(list, pictures, music)?;
        let styles = match &self.styles {
            Some(table) => all.styles(table)?,
            None => vec![None; all.count().unwrap_or(0)],
        };
        let parts = Parts::of_styles(&styles, 0)?;
        let all: Arc<dyn Source> = Arc::new(all);
        Ok((
            Arc::new(Subset::new(all.clone(), parts.training)),
            Arc::new(Subset::new(all, parts.validation)),
        ))
    }
}
