//! Which module reads which: the table of ARCHITECTURE.md against the code.
#![cfg(not(target_family = "wasm"))]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

type Reads = BTreeMap<String, BTreeSet<String>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the table whose columns begin with `module` and `reads`, in order.
fn declared() -> Vec<(String, BTreeSet<String>)> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with("| module | reads |"));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
    let quoted = |cell: &str| -> Vec<String> {
        let names = cell.split('`').skip(1).step_by(2);
        names.map(str::to_string).collect()
    };
    let mut table = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        let reads: BTreeSet<String> = quoted(cells[2]).into_iter().collect();
        for module in quoted(cells[1]) {
            table.push((module, reads.clone()));
        }
    }
    assert!(table.len() > 10, "the table of modules was not found");
    table
}

/// The code without comments. String literals of this crate do not hold `crate::`.
fn code(text: &str) -> String {
    let lines = text.lines();
    let without = lines.map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    without.collect::<Vec<_>>().join("\n")
}

/// The first names behind every `crate::`, those in braces one by one.
fn names(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let first = |text: &str| -> String {
        let word = text.trim_start().chars();
        word.take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    for part in code.split("crate::").skip(1) {
        let Some(group) = part.strip_prefix('{') else {
            found.insert(first(part));
            continue;
        };
        let (mut depth, mut start) = (0, 0);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                '}' | ',' if depth == 0 => {
                    found.insert(first(&group[start..at]));
                    start = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
    }
    found
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What each module of the crate reads.
fn actual() -> Reads {
    let source = root().join("src");
    let mut found = Vec::new();
    files(&source, &mut found);
    let module = |path: &Path| -> String {
        let first = path.strip_prefix(&source).unwrap().iter().next().unwrap();
        first.to_str().unwrap().trim_end_matches(".rs").to_string()
    };
    let modules: BTreeSet<String> = found.iter().map(|path| module(path)).collect();
    let mut reads = Reads::new();
    for path in &found {
        let own = module(path);
        if own == "lib" || own == "main" {
            continue;
        }
        let names = names(&code(&fs::read_to_string(path).unwrap()));
        let others = names
            .into_iter()
            .filter(|name| modules.contains(name) && *name != own);
        reads.entry(own.clone()).or_default().extend(others);
    }
    // Everything may fail.
    reads.remove("error");
    reads
}

#[test]
fn modules_read_what_the_table_says() {
    let declared: Reads = declared().into_iter().collect();
    let actual = actual();
    let modules: BTreeSet<_> = declared.keys().chain(actual.keys()).collect();
    let empty = BTreeSet::new();
    let mut wrong = Vec::new();
    for module in modules {
        let (said, found) = (declared.get(module), actual.get(module));
        if said.is_none() || found.is_none() {
            wrong.push(format!("{module} is only in the table or only in the code"));
        }
        let (said, found) = (said.unwrap_or(&empty), found.unwrap_or(&empty));
        for other in found.difference(said) {
            wrong.push(format!(
                "{module} reads {other}, which the table does not say"
            ));
        }
        for other in said.difference(found) {
            wrong.push(format!("{module} does not read {other}, as the table says"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A module stands behind all that it reads: nothing reads a floor above its own.
#[test]
fn no_module_reads_one_above_it() {
    let table = declared();
    for (at, (module, reads)) in table.iter().enumerate() {
        for read in reads {
            let place = table.iter().position(|(name, _)| name == read);
            assert!(
                place.is_some_and(|place| place < at),
                "{module} reads {read}, which stands below it in the table"
            );
        }
    }
}

#[test]
fn names_are_found_in_every_form() {
    let text =
        "use crate::{Error, audio::{mel, stft}, ops::Cpu};\nlet x = crate::image::y; // crate::web";
    let found: Vec<String> = names(&code(text)).into_iter().collect();
    assert_eq!(found, ["Error", "audio", "image", "ops"]);
}
