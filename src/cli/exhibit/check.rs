//! What an exhibit names: whether it is there, and can be used.

use std::path::{Path, PathBuf};

use super::{
    address::{self, Target},
    fields::Faults,
    manifest::{Address, Manifest, Picture, Source},
};
use crate::{
    Error, Result,
    cli::verify,
    image,
    weights::{Bundle, Location, read_limited},
};

/// A picture's file or a IIIF manifest that is larger is none.
const MOST_BYTES: u64 = 512 << 20;

/// The folder of an exhibit, and what the server shows as `/`.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    root: Option<PathBuf>,
}

/// What is known of what an address names.
enum Found {
    File(PathBuf),
    /// It cannot be looked at from here; why.
    Unseen(String),
}

impl Place {
    /// Without a `root`, the working folder is it when the exhibit lies in there.
    pub fn new(folder: &Path, root: Option<&Path>) -> Result<Self> {
        let full = |path: &Path| {
            let full = path.canonicalize();
            full.map_err(|e| Error::file("open", path, e))
        };
        let folder = full(folder)?;
        let root = match root {
            Some(root) => Some(full(root)?),
            None => full(Path::new("."))
                .ok()
                .filter(|root| folder.starts_with(root)),
        };
        Ok(Self { folder, root })
    }

    /// The folder's address from the page, where the page's folder is known to be the root.
    pub fn page_address(&self) -> Option<String> {
        let beneath = self.folder.strip_prefix(self.root.as_ref()?).ok()?;
        let address = address::encode(&format!("{}/", beneath.to_str()?));
        // It stands in a query, where percent signs are decoded once more.
        Some(address.replace('%', "%25"))
    }

    fn find(&self, target: &Target) -> std::result::Result<Found, String> {
        let path = match target {
            Target::Beside(path) => address::join(&self.folder, path),
            Target::FromRoot(path) => match &self.root {
                Some(root) => address::join(root, path),
                None => {
                    let why = "begins at the server's first folder, which --root names: it was not looked at";
                    return Ok(Found::Unseen(why.into()));
                }
            },
            Target::Host(host) => {
                let why = format!(
                    "lies on {host}: the exhibit needs the network, and that host must allow other sites (CORS)"
                );
                return Ok(Found::Unseen(why));
            }
            Target::Scheme(scheme) if scheme == "data" => {
                let why = "holds its file itself, which was not looked at";
                return Ok(Found::Unseen(why.into()));
            }
            Target::Scheme(scheme) => {
                return Err(format!(
                    "is an address of the kind {scheme}, which a page cannot read"
                ));
            }
        };
        let root = self.root.as_ref();
        match root.filter(|root| self.folder.starts_with(root) && !path.starts_with(root)) {
            Some(root) => Err(format!(
                "leads out of {}, which is all that is served",
                root.display()
            )),
            None => Ok(Found::File(path)),
        }
    }
}

/// What was found beside faults.
#[derive(Debug, Default)]
pub(super) struct Remarks(pub Vec<String>);

/// Looks at everything that the manifest names.
pub(super) fn check(manifest: &Manifest, place: &Place, faults: &Faults) -> Remarks {
    let mut remarks = Remarks::default();
    if let Some(bundle) = &manifest.bundle
        && let Some(folder) = remarks.file(bundle, place, faults)
        && let Err(e) = sound(&folder)
    {
        let what = format!(
            "names {}, which is not sound ({})",
            bundle.written,
            e.message()
        );
        faults.add(&bundle.key, what, e.hint());
    }
    for picture in &manifest.pictures {
        match &picture.source {
            Some(Source::File(address)) => {
                if let Some(file) = remarks.file(address, place, faults)
                    && let Err(e) = decodes(&file, picture)
                {
                    let what = format!(
                        "names {}, which cannot be used ({})",
                        address.written,
                        e.message()
                    );
                    faults.add(&address.key, what, e.hint());
                }
            }
            Some(Source::Iiif(address)) => {
                if let Some(file) = remarks.file(address, place, faults)
                    && !is_json(&file)
                {
                    let what = format!("names {}, which is missing or not JSON", address.written);
                    faults.add(&address.key, what, "name a IIIF manifest or an info.json");
                }
            }
            Some(Source::Camera) | None => {}
        }
    }
    remarks
}

impl Remarks {
    /// The file that an address names, where it can be looked at.
    fn file(&mut self, address: &Address, place: &Place, faults: &Faults) -> Option<PathBuf> {
        match place.find(&address.target) {
            Ok(Found::File(path)) => return Some(path),
            Ok(Found::Unseen(why)) => self.0.push(format!("{} {why}", address.key)),
            Err(why) => {
                let advice = "copy what it names beside exhibit.json, and name it there";
                faults.add(&address.key, why, advice);
            }
        }
        None
    }
}

fn sound(folder: &Path) -> Result<()> {
    let bundle = pollster::block_on(Bundle::open(Location::Folder(folder.into())))?;
    verify::check_bundle(&bundle, &mut |_| Ok(()))
}

/// Whether a browser and the engine can use the picture, and the part of it that is shown.
fn decodes(file: &Path, picture: &Picture) -> Result<()> {
    if !file.is_file() {
        let message = format!("there is no file {}", file.display());
        return Err(Error::input(message, "put it there, or correct the name"));
    }
    let bytes = read_limited(file, MOST_BYTES)?;
    let tiff = bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*");
    if tiff {
        let message = "browsers do not show TIFF files";
        return Err(Error::input(message, "save the picture as PNG or JPEG"));
    }
    let decoded = image::decode(&bytes)?;
    match picture.region {
        Some(region) => decoded.crop(region).map(drop),
        None => Ok(()),
    }
}

fn is_json(file: &Path) -> bool {
    let bytes = read_limited(file, MOST_BYTES);
    bytes.is_ok_and(|bytes| serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok())
}
