//! Lists of pairs, and models side by side on one.

use super::{
    art2music::{frozen, part},
    run, runs, synth, text,
};
use crate::common::{fixture, program};
use art2mus::dataset::{JsonLines, Source};
use std::fs;

/// What a command prints; it must succeed.
fn printed(arguments: &[&str]) -> String {
    let output = program().args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

/// ArtEmis and MusicCaps as they are published, to a list that can be learnt from.
#[test]
fn articaps_is_made_of_both_tables() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let artemis = "art_style,painting,emotion,utterance,repetition\n\
        Realism,a_lake,contentment,\"The lake, so calm\",2\n\
        Realism,a_lake,awe,What deep water,2\n\
        Cubism,a_face,fear,It stares at me,1\n\
        Cubism,lost,fear,Nobody has this picture,1\n";
    let musiccaps = "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption,author_id\n\
        -abc,0,10,/m/05r5c,\"['slow', 'soft']\",A calm piano,4\n\
        xyz,30,40,/m/04rlf,['loud'],Screaming metal,4\n";
    fs::write(place("artemis.csv"), artemis).unwrap();
    fs::write(place("musiccaps.csv"), musiccaps).unwrap();
    for (style, painting) in [("Realism", "a_lake"), ("Cubism", "a_face")] {
        fs::create_dir(place(style)).unwrap();
        let name = format!("{style}/{painting}.jpg");
        fs::copy(fixture("picture.png"), place(&name)).unwrap();
    }
    let [tables, bundle] = [
        [place("artemis.csv"), place("musiccaps.csv")],
        [frozen().into(), place("list.jsonl")],
    ];
    let command = ["dataset", "articaps", "--device", "cpu", "--json"];
    let files = [
        "--artemis",
        text(&tables[0]),
        "--musiccaps",
        text(&tables[1]),
    ];
    let places = ["--encoder", text(&bundle[0]), "-o", text(&bundle[1])];
    let limits = ["--reuse", "2", "--pictures", text(folder.path())];
    let all = [&command[..], &files, &places, &limits].concat();
    let statistics: serde_json::Value = serde_json::from_str(&printed(&all)).unwrap();
    assert_eq!(statistics["pairs"], 3);
    assert_eq!(statistics["missing"]["comments"], 1);
    assert!(statistics["most_used"].as_u64().unwrap() <= 2);
    let [mean, least] = ["mean", "least"].map(|key| statistics[key].as_f64().unwrap());
    assert!(least <= mean && mean <= 1.0);
    let list = fs::read_to_string(&bundle[1]).unwrap();
    let lines: Vec<serde_json::Value> = list
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["comment"], "The lake, so calm");
    let clips: Vec<&str> = lines
        .iter()
        .map(|line| line["music"].as_str().unwrap())
        .collect();
    assert!(
        clips
            .iter()
            .all(|clip| ["-abc.wav", "xyz.wav"].contains(clip)),
        "{clips:?}"
    );
    // Training reads it.
    let list = JsonLines::open(&bundle[1]).unwrap();
    let comment = list.captions(0).comment.unwrap();
    assert_eq!(comment.emotion.as_deref(), Some("contentment"));
    assert!(comment.keywords.is_some() && list.picture(0).is_ok());

    let said = run(&all, false);
    assert!(said.contains("list.jsonl"), "{said}");
    fs::remove_file(&bundle[1]).unwrap();
    let strict = [&all[..], &["--threshold", "1"]].concat();
    assert!(run(&strict, false).contains("no comment has music that is as similar"));
    assert!(run(&[&all[..], &["--threshold", "2"]].concat(), false).contains("from -1 to 1"));
}

/// Models of both systems side by side.
#[test]
fn models_are_compared_in_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let list = synth(&place("pairs"), "3");
    let second = place("second");
    let [clip, vocoder, decoder, fusion] =
        ["open_clip", "hifigan", "decoder.pt", "fusion.pt"].map(part);
    let parts = ["--clip", text(&clip), "--vocoder", text(&vocoder)];
    let trained = [
        "--decoder",
        text(&decoder),
        "--fusion",
        text(&fusion),
        "-o",
        text(&second),
    ];
    run(
        &[
            &["convert", "--system", "art2music", "--name", "Second"][..],
            &parts,
            &trained,
        ]
        .concat(),
        true,
    );
    let first = runs().join("bundle");
    let models = [
        "--bundle",
        text(&first),
        "--bundle",
        text(&second),
        "--judge",
        text(&first),
    ];
    let command = [&["compare", "--pairs", text(&list)][..], &models].concat();
    let table = printed(&command);
    assert!(
        table.starts_with("| model | pieces | MCD, dB | MCD (DTW), dB | LSD, dB | FAD | cosine |")
    );
    assert!(
        table.contains("| tiny | 3 |") && table.contains("| Second | 3 |"),
        "{table}"
    );
    let rows = printed(&[&command[..], &["--json", "--count", "2"]].concat());
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    for row in rows.as_array().unwrap() {
        assert_eq!(row["pieces"], 2);
        let [plain, warped] =
            ["cepstral_db", "warped_cepstral_db"].map(|key| row[key]["mean"].as_f64().unwrap());
        assert!(warped <= plain + 1e-9 && plain > 0.0, "{row}");
        assert!(row["log_spectral_db"]["mean"].as_f64().unwrap() > 0.0);
        assert!(row["frechet"].as_f64().unwrap() >= 0.0);
        assert!(row["cosine"]["mean"].as_f64().unwrap().abs() <= 1.0);
    }
    let said = run(&[&command[..], &["--count", "1"]].concat(), false);
    assert!(said.contains("so few pieces"), "{said}");
}
