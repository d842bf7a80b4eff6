//! Material of the smallest kind, and what is drawn from it.

use super::*;
use crate::{
    audio::rms_db,
    dataset::{Source, score},
    metrics::rank::spearman,
};

/// Items of a split that are painted and composed here, with the instruments of the tests; 2 seconds long.
pub(crate) fn painted_only(split: Split) -> Rendered {
    let config = MaterialConfig {
        soundfont: Some(crate::dataset::render::tests::fixture()),
        ..MaterialConfig::default()
    };
    Rendered::new(Material::open(&config, 2.0).unwrap(), split, 64)
}

/// Paintings of one colour and of stripes, by six painters.
fn paintings() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = Vec::new();
    for number in 0..12u8 {
        let file = format!("{number:02}.png");
        let picture = image::RgbImage::from_fn(80, 60, |x, y| {
            let light = if (x + y) / 6 % 2 == 0 { 90 } else { 150 };
            image::Rgb([light, light - 5 * number, 40 + 10 * number])
        });
        picture.save(folder.path().join(&file)).unwrap();
        rows.push(serde_json::json!({"file": file, "artist": format!("Painter Nr{}", number / 2)}));
    }
    rows.push(serde_json::json!({"file": "missing.png", "artist": "Nobody"}));
    let gallery = serde_json::json!([{"file": "03.png", "kind": "stripes"}]);
    let write = |name: &str, value: serde_json::Value| {
        std::fs::write(folder.path().join(name), value.to_string()).unwrap();
    };
    write("paintings.json", rows.into());
    write("gallery.json", gallery);
    folder
}

#[test]
fn items_are_the_same_whenever_they_are_asked_for() {
    let (first, second) = (
        painted_only(Split::Validation),
        painted_only(Split::Validation),
    );
    let item = first.item(3).unwrap();
    // In another order.
    let (music, picture) = (second.music(3).unwrap(), second.picture(3).unwrap());
    assert_eq!((item.music.clone(), item.picture.clone()), (music, picture));
    assert_eq!(item.music.sample_rate, 48_000);
    assert_eq!(item.music.samples.len(), 96_000);
    assert_eq!(item.picture.width(), 64);
    let pair = item.factors.unwrap();
    assert!((rms_db(&item.music.samples) - pair.music.loudness).abs() < 0.1);
    assert!(
        item.captions
            .music
            .unwrap()
            .contains(pair.music.mode.name())
    );
    assert_ne!(
        painted_only(Split::Test).item(3).unwrap().picture,
        item.picture
    );
    assert_eq!(first.fingerprint(), second.fingerprint());
    assert_ne!(first.fingerprint(), painted_only(Split::Test).fingerprint());
}

#[test]
fn paintings_and_scores_are_split_by_who_made_them() {
    let pictures = paintings();
    let (scores, library) = score::tests::library();
    let config = MaterialConfig {
        scores: Some(scores.path().to_path_buf()),
        paintings: Some(pictures.path().to_path_buf()),
        composed: 0.0,
        painted: 0.0,
        ..MaterialConfig::default()
    };
    let material = Material::open(&config, 8.0).unwrap();
    let skipped: Vec<&(String, String)> = material.skipped().collect();
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0].0, "missing.png");
    let mut seen: std::collections::HashMap<String, Split> = Default::default();
    let mut paintings = 0;
    for split in Split::ALL {
        let source = Rendered::new(material.clone(), split, 64);
        for index in 0..24 {
            let subject = source.subject(index).unwrap();
            assert_ne!(subject.picture, "03.png", "it is in the gallery");
            paintings += usize::from(subject.artist.is_some());
            for person in [subject.artist, subject.composer].into_iter().flatten() {
                assert_eq!(*seen.entry(person).or_insert(split), split);
            }
        }
    }
    assert!(paintings > 0);
    let composers = library
        .scores
        .iter()
        .filter(|score| seen.contains_key(&score.composer));
    assert!(composers.count() > 3);
}

#[test]
fn a_missing_soundfont_is_told_when_music_is_asked_for() {
    let config = MaterialConfig {
        soundfont: Some("missing.sf2".into()),
        ..MaterialConfig::default()
    };
    let source = Rendered::new(Material::open(&config, 2.0).unwrap(), Split::Test, 32);
    assert!(source.picture(0).is_ok());
    let error = source.music(0).unwrap_err();
    assert!(error.message().contains("missing.sf2"), "{error}");
}

#[test]
fn faulty_tables_are_told() {
    for (text, wanted) in [
        ("composed = 1.5", "material.composed"),
        ("seconds = 0.5", "0.5 seconds"),
    ] {
        let config: MaterialConfig = toml::from_str(text).unwrap();
        let error = Material::open(&config, 2.0).unwrap_err();
        assert!(error.message().contains(wanted), "{error}");
    }
    let config: MaterialConfig = toml::from_str("scores = \"a\"").unwrap();
    let config = config.beneath(std::path::Path::new("/folder"));
    assert_eq!(config.scores.unwrap(), std::path::Path::new("/folder/a"));
}

/// Music follows its picture, and mode is to be told apart from register and timbre.
#[test]
fn factors_correspond_and_mode_is_independent() {
    let source = painted_only(Split::Training);
    let pairs: Vec<Pair> = (0..600).map(|index| source.pair(index).unwrap()).collect();
    let column = |of: &dyn Fn(&Pair) -> f32| -> Vec<f64> {
        pairs.iter().map(|pair| f64::from(of(pair))).collect()
    };
    let mode = column(&|pair| f32::from(u8::from(pair.music.mode == Mode::Major)));
    let register = column(&|pair| pair.music.register);
    let timbre = column(&|pair| pair.music.brightness);
    let rate = column(&|pair| pair.music.rate);
    for (name, music, picture) in [
        (
            "register",
            &register,
            column(&|pair| pair.picture.ranks.lightness),
        ),
        (
            "timbre",
            &timbre,
            column(&|pair| pair.picture.ranks.contrast),
        ),
        ("rate", &rate, column(&|pair| pair.picture.ranks.edges)),
        ("mode", &mode, column(&|pair| pair.picture.ranks.warmth)),
    ] {
        let found = spearman(music, &picture);
        assert!(found > 0.6, "{name}: {found}");
    }
    for (name, other) in [("register", &register), ("timbre", &timbre)] {
        // Three standard errors of 600 pairs.
        assert!(spearman(&mode, other).abs() < 0.13, "{name}");
    }
}

#[test]
fn composing_only_keeps_the_pictures() {
    let (scores, _library) = score::tests::library();
    let config = MaterialConfig {
        scores: Some(scores.path().to_path_buf()),
        composed: 0.0,
        ..MaterialConfig::default()
    };
    let found = Rendered::new(Material::open(&config, 8.0).unwrap(), Split::Training, 64);
    let composed = found.composed_only();
    let mut scores = 0;
    for item in 0..6 {
        assert_eq!(
            found.picture(item).unwrap(),
            composed.picture(item).unwrap()
        );
        assert_eq!(composed.subject(item).unwrap().score, None);
        scores += usize::from(found.subject(item).unwrap().score.is_some());
    }
    assert!(scores > 0);
    assert_ne!(found.fingerprint(), composed.fingerprint());
}
