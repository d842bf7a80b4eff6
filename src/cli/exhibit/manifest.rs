//! `exhibit.json`, by the rules of `web/src/exhibit/manifest.ts`. Tests of both read the manifests of
//! `tests/fixtures/exhibits/`.

use serde_json::Value;

use super::{
    address::Target,
    fields::{Faults, Fields},
};
use crate::image::Region;

/// A day, in seconds.
const DAY: f64 = 86_400.0;
/// How long a picture plays where nothing is said.
const SECONDS: f64 = 60.0;

/// An address as it is written, and where it leads.
#[derive(Debug)]
pub(super) struct Address {
    /// The field that names it.
    pub key: String,
    pub written: String,
    pub target: Target,
}

#[derive(Debug)]
pub(super) enum Source {
    File(Address),
    Iiif(Address),
    Camera,
}

#[derive(Debug)]
pub(super) struct Picture {
    /// Nothing where it could not be read.
    pub source: Option<Source>,
    /// How long it plays.
    pub seconds: f64,
    pub region: Option<Region>,
}

/// What an `exhibit.json` names: as much of it as can be read.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    pub languages: Vec<String>,
    pub bundle: Option<Address>,
    pub pictures: Vec<Picture>,
}

/// Reads `exhibit.json`.
pub(super) fn parse(json: &[u8], faults: &Faults) -> Manifest {
    let text = String::from_utf8_lossy(json);
    let value: Value = match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(value) => value,
        Err(e) => {
            faults.add("", format!("is not JSON ({e})"), "correct it there");
            return Manifest::default();
        }
    };
    let Some(fields) = Fields::new(&value, "", faults) else {
        return Manifest::default();
    };
    let languages = fields.languages("languages");
    let seconds = fields.number("seconds", 1.0..=DAY).unwrap_or(SECONDS);
    fields.words("title", languages.as_deref());
    fields.required("title");
    fields.words("invitation", languages.as_deref());
    let bundle = address(&fields, "bundle");
    fields.choice("device", &["auto", "webgpu", "wasm"]);
    fields.choice("order", &["listed", "shuffled"]);
    fields.number("piece", 1.0..=600.0);
    fields.whole("variations", 1.0..=1000.0);
    fields.whole("steps", 1.0..=1000.0);
    fields.number("crossfade", 0.1..=20.0);
    fields.number("loudness", -50.0..=-5.0);
    fields.number("volume", 0.0..=1.0);
    fields.choice("attract", &["music", "silent"]);
    fields.number("idle", 1.0..=3600.0);
    fields.number("stuck", 5.0..=3600.0);
    fields.flag("keys");
    if let Some(visitors) = fields.object("visitors") {
        for key in ["choose", "bring", "volume"] {
            visitors.flag(key);
        }
        visitors.end();
    }
    let entries = fields.list("pictures").unwrap_or_default();
    fields.required("pictures");
    let entries = entries.iter().enumerate().filter_map(|(at, entry)| {
        let fields = Fields::new(entry, &format!("pictures[{at}]"), faults)?;
        Some(picture(&fields, languages.as_deref(), seconds, faults))
    });
    let pictures = entries.collect();
    fields.end();
    Manifest {
        languages: languages.unwrap_or_default(),
        bundle,
        pictures,
    }
}

fn picture(
    fields: &Fields<'_>,
    languages: Option<&[String]>,
    seconds: f64,
    faults: &Faults,
) -> Picture {
    let source = source(fields, faults);
    for key in ["title", "credit", "alt"] {
        fields.words(key, languages);
    }
    let picture = Picture {
        source,
        seconds: fields.number("seconds", 1.0..=DAY).unwrap_or(seconds),
        region: region(fields, faults),
    };
    fields.end();
    picture
}

fn source(fields: &Fields<'_>, faults: &Faults) -> Option<Source> {
    let file = address(fields, "file");
    let iiif = address(fields, "iiif");
    let camera = fields.object("camera");
    let canvas = fields.whole("canvas", 1.0..=100_000.0);
    if let Some(camera) = &camera {
        camera.number("every", 1.0..=DAY);
        camera.end();
    }
    let named = ["file", "iiif", "camera"].map(|key| fields.has(key));
    if named.iter().filter(|named| **named).count() != 1 {
        let own = fields.path("file");
        faults.add(
            own.trim_end_matches(".file"),
            "must have exactly one of file, iiif and camera",
            "say where the picture comes from, once",
        );
        return None;
    }
    if canvas.is_some() && !fields.has("iiif") {
        faults.add(
            &fields.path("canvas"),
            "belongs to a picture with iiif",
            "leave it out",
        );
    }
    let camera = camera.map(|_| Source::Camera);
    file.map(Source::File).or(iiif.map(Source::Iiif)).or(camera)
}

fn region(fields: &Fields<'_>, faults: &Faults) -> Option<Region> {
    let region = fields.object("region")?;
    let fraction = |key, least| {
        region.required(key);
        region.number(key, least..=1.0)
    };
    let [x, y] = ["x", "y"].map(|key| fraction(key, 0.0));
    let [width, height] = ["width", "height"].map(|key| fraction(key, 0.01));
    region.end();
    let region = Region {
        x: x?,
        y: y?,
        width: width?,
        height: height?,
    };
    if region.x + region.width > 1.0 || region.y + region.height > 1.0 {
        let advice = "choose fractions so that x + width and y + height are at most 1";
        faults.add(&fields.path("region"), "reaches beyond the picture", advice);
        return None;
    }
    Some(region)
}

fn address(fields: &Fields<'_>, key: &'static str) -> Option<Address> {
    let (written, target) = fields.address(key)?;
    Some(Address {
        key: fields.path(key),
        written: written.into(),
        target,
    })
}
