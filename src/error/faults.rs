//! The faults that a visitor of a page can meet: code, values, sentence and advice of each in one place.
//!
//! A page says them in its own language: `web/texts/*.json` has `error.CODE.message` and `error.CODE.hint` for every
//! code here, with the fault's values by name. The English sentence is for the command line and for libraries.

use super::{Error, ErrorKind};

/// Defines [`Fault`]: `Name { values } = kind, code: sentence, advice`.
macro_rules! faults {
    ($($name:ident { $($value:ident: $type:ty),* } = $kind:ident, $code:literal: $message:literal, $hint:literal;)*) => {
        /// A fault with a stable code, of which a page makes a sentence in its own language.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "the values are those of the sentence")]
        pub enum Fault {
            $(#[doc = concat!("`", $code, "`: ", $message)] $name { $($value: $type),* },)*
        }

        impl Fault {
            /// Every code, with the names of its values.
            pub const CODES: &'static [(&'static str, &'static [&'static str])] =
                &[$(($code, &[$(stringify!($value)),*])),*];
        }

        impl From<Fault> for Error {
            fn from(fault: Fault) -> Self {
                match fault {
                    $(Fault::$name { $($value),* } => {
                        Error::new(ErrorKind::$kind, format!($message), format!($hint))
                            .coded($code, vec![$((stringify!($value).into(), $value.to_string())),*])
                    })*
                }
            }
        }
    };
}

faults! {
    Cancelled {} = Cancelled, "cancelled":
        "the generation was cancelled", "start it again when you like";
    Internal { reason: String } = Internal, "internal":
        "{reason}", "please report this with the command that led here";

    PictureEmpty {} = Input, "picture.empty":
        "the picture file is empty", "get the file again";
    PictureKind { kind: &'static str } = Input, "picture.kind":
        "{kind} pictures cannot be read", "give a PNG, JPEG, WebP, GIF, BMP or TIFF file";
    PictureUnknown {} = Input, "picture.unknown":
        "this is not a picture that can be read", "give a PNG, JPEG, WebP, GIF, BMP or TIFF file";
    PictureUnsupported {} = Input, "picture.unsupported":
        "this kind of picture file cannot be read", "save the picture again as PNG or JPEG";
    PictureCut {} = Input, "picture.cut":
        "the picture is cut off", "get the file again";
    PictureDamaged {} = Input, "picture.damaged":
        "the picture is damaged", "get the file again";
    PictureMemory { most: u64 } = Limits, "picture.memory":
        "the picture takes more than {most} MiB of memory", "make it smaller and give it again";
    PictureLarge { width: u64, height: u64, most: u64 } = Limits, "picture.large":
        "the picture is {width} x {height} pixels, and at most {most} megapixels are accepted",
        "make it smaller and give it again";
    PictureNoPixels {} = Input, "picture.noPixels":
        "the picture has no pixels", "give another";
    PictureRegion { x: f64, y: f64, width: f64, height: f64 } = Input, "picture.region":
        "the region x {x}, y {y}, width {width}, height {height} does not lie in the picture",
        "give fractions from 0 to 1, where x + width and y + height are at most 1";
    PictureMissing {} = Input, "picture.missing":
        "there is no picture to make music of", "give a picture file, pixels, an embedding or tokens";

    Seconds { value: f64, least: f64, most: f64 } = Input, "settings.seconds":
        "{value} seconds of music cannot be made", "ask for between {least} and {most} seconds";
    Steps { value: usize, most: usize } = Input, "settings.steps":
        "{value} steps cannot be made", "ask for between 1 and {most} steps";
    Guidance { value: f64, most: f64 } = Input, "settings.guidance":
        "a guidance of {value} cannot be used", "choose a guidance between 0 and {most}";
    Transpose { value: f64, least: i32, most: i32 } = Input, "settings.transpose":
        "music cannot be transposed by {value} semitones", "choose a whole number from {least} to {most}";
    Tempo { value: f64, least: f64, most: f64 } = Input, "settings.tempo":
        "music of {value} beats a minute cannot be made", "choose a tempo between {least} and {most}";
    Loudness { value: f64, least: f64, most: f64 } = Input, "settings.loudness":
        "music of {value} dBFS cannot be made", "choose a loudness between {least} and {most} dBFS";
    Candidates { value: usize, most: usize } = Input, "settings.candidates":
        "{value} candidates cannot be made", "ask for between 1 and {most} candidates";
    NotWhole { setting: &'static str, value: f64 } = Input, "settings.whole":
        "{setting} cannot be {value}", "give a whole number from 0 to 2^53 - 1";
    Untransposable {} = Input, "settings.untransposable":
        "this model's music cannot be transposed", "leave transpose out";
    NoTempo {} = Input, "settings.noTempo":
        "this model's music has no one tempo that could be changed", "leave tempo out";
    NoTexts {} = Input, "settings.noTexts":
        "this model takes no other prompt or negative prompt than its own",
        "leave them out, or use a bundle that was converted with --text";
    NoSetting { setting: &'static str } = Input, "settings.none":
        "this model has no setting {setting}", "leave {setting} out";
    NoTokens {} = Input, "settings.noTokens":
        "this model's music is made without Language-of-Audio tokens", "give a picture or an embedding";
    SettingsUnreadable { reason: String } = Input, "settings.unreadable":
        "the settings cannot be used ({reason})", "give numbers, and ddim, dpmpp or unipc as the scheduler";

    NoManifest { reason: String } = Format, "bundle.noManifest":
        "manifest.json {reason}", "check the address of the bundle";
    BundleVersion { version: u64, newest: u64 } = Unsupported, "bundle.version":
        "the bundle has format version {version}, this program reads 1 to {newest}",
        "use the program's newest version, or convert the checkpoint again";
    BundleSystem { system: String, known: String } = Unsupported, "bundle.system":
        "the bundle is of the system {system:?}", "use one of the system {known}, or a newer program";
    BundleUnusable { reason: String } = Format, "bundle.unusable":
        "the bundle cannot be used ({reason})", "fetch or convert the bundle again";

    NoGpu { reason: String } = Unsupported, "device.none":
        "this browser gives no GPU ({reason})", "use the device wasm, or a browser with WebGPU";
    NoDevice { device: String } = Unsupported, "device.unknown":
        "this module has no device {device:?}", "use wasm, or the module with WebGPU";
    GpuMemory { reason: String } = OutOfMemory, "device.memory":
        "the GPU has no memory left ({reason})", "close other pages, ask for fewer seconds, or use the device wasm";
    GpuLost { reason: String } = DeviceLost, "device.lost":
        "the GPU was lost ({reason})", "try again; the model is loaded anew";
    DeviceSilent { reason: String } = DeviceLost, "device.silent":
        "the device gave no answer ({reason})", "try again, or use another device";
    NoKernels { kernels: String } = Input, "device.noKernels":
        "there are no kernels {kernels:?}",
        "name register-tiled, or shared-memory-tiled with +f16 or +subgroups, as a result names its own";
    KernelsRefused { reason: String } = Unsupported, "device.kernels":
        "{reason}", "leave the kernels to the program, or use the device that the piece was made on";

    ModelLarge { memory: u64, gigabytes: String } = Limits, "model.large":
        "this model needs {gigabytes} GB of memory at once, more than WebAssembly can have",
        "use a browser and computer with WebGPU, or a smaller model";
    ModelSlow { time: f64, words: String } = Limits, "model.slow":
        "this model would need about {words} on this CPU",
        "use a browser and computer with WebGPU, or a smaller model";
    NoSound {} = Internal, "sound.none":
        "the networks gave numbers that are no sound", "try another device, or verify the bundle with art2mus verify";
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::*;
    use std::{
        collections::{BTreeMap, BTreeSet},
        path::Path,
    };

    type Texts = BTreeMap<String, String>;

    /// The page's texts, by language.
    fn texts() -> BTreeMap<String, Texts> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/texts");
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path());
        files
            .map(|path| {
                let language = path.file_stem().unwrap().to_str().unwrap().to_string();
                (
                    language,
                    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap(),
                )
            })
            .collect()
    }

    /// The names in braces.
    fn names(sentence: &str) -> BTreeSet<&str> {
        let parts = sentence.split('{').skip(1);
        parts
            .filter_map(|part| Some(part.split_once('}')?.0))
            .collect()
    }

    #[test]
    fn every_code_has_texts_in_all_languages() {
        let texts = texts();
        assert_eq!(texts.len(), 6);
        for (language, texts) in &texts {
            for (code, values) in Fault::CODES {
                for part in ["message", "hint"] {
                    let key = format!("error.{code}.{part}");
                    let sentence = texts
                        .get(&key)
                        .unwrap_or_else(|| panic!("{language} has no {key}"));
                    let known = values.iter().copied().collect();
                    assert!(
                        names(sentence).is_subset(&known),
                        "{language}: {key} {sentence:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn codes_are_there_once() {
        let codes: BTreeSet<&str> = Fault::CODES.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.len(), Fault::CODES.len());
    }

    #[test]
    fn a_fault_is_an_error_with_its_values() {
        let error = Error::from(Fault::PictureLarge {
            width: 20_000,
            height: 10_000,
            most: 100,
        });
        assert_eq!(error.kind(), ErrorKind::Limits);
        assert_eq!(error.code(), Some("picture.large"));
        assert_eq!(error.value("width"), Some("20000"));
        assert_eq!(error.value("depth"), None);
        assert!(
            error
                .to_string()
                .starts_with("the picture is 20000 x 10000 pixels")
        );
    }

    #[test]
    fn what_is_wrong_in_a_bundle_keeps_its_kind_and_words() {
        let error = Error::unsupported("a UNet with wings", "clip them").of_bundle();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Unsupported, Some("bundle.unusable"))
        );
        assert_eq!(error.value("reason"), Some("a UNet with wings"));
        assert_eq!(error.to_string(), "a UNet with wings: clip them.");
        // What has a code of its own keeps that.
        let error = Error::from(Fault::Steps { value: 0, most: 9 }).of_bundle();
        assert_eq!(error.code(), Some("settings.steps"));
    }
}
