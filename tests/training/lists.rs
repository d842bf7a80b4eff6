//! Lists of pairs.

use super::{art2music::frozen, run, text};
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
