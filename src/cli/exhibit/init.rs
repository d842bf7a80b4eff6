//! A first `exhibit.json`, from the pictures of a folder.

use serde::Serialize;
use std::path::{Path, PathBuf};

use super::address::encode;
use crate::{Error, Result, files::write_file};

/// Extensions of files that both browsers and the engine show.
const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "gif", "bmp"];

#[derive(Serialize)]
struct Exhibit {
    title: String,
    pictures: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    file: String,
    title: String,
}

/// Writes an `exhibit.json` that lists the folder's pictures in the order of their names.
pub(super) fn write(folder: &Path, file: &Path) -> Result<()> {
    let names = pictures(folder)?;
    if names.is_empty() {
        let kinds = EXTENSIONS.join(", ");
        let message = format!("{} holds no pictures ({kinds})", folder.display());
        return Err(Error::input(
            message,
            "put the exhibit's pictures there first",
        ));
    }
    let full = folder.canonicalize().unwrap_or_else(|_| folder.into());
    let own = full.file_name().unwrap_or_default().to_string_lossy();
    let entries = names.iter().map(|name| {
        let file = name.to_str().map(encode).ok_or_else(|| {
            let message = format!("{} has a name that no address can hold", name.display());
            Error::input(message, "give the file another name")
        })?;
        let stem = name.file_stem().unwrap_or_default().to_string_lossy();
        let title = title(&stem);
        Ok(Entry { file, title })
    });
    let exhibit = Exhibit {
        title: title(&own),
        pictures: entries.collect::<Result<_>>()?,
    };
    let text = serde_json::to_string_pretty(&exhibit)
        .map_err(|e| Error::internal(format!("exhibit.json cannot be written ({e})")))?;
    write_file(file, format!("{text}\n").as_bytes())
}

/// Names of the pictures in the folder, sorted.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e| Error::file("read", folder, e);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        let known = EXTENSIONS.iter().any(|known| extension == *known);
        if let Some(name) = path.file_name()
            && known
            && path.is_file()
        {
            names.push(PathBuf::from(name));
        }
    }
    names.sort();
    Ok(names)
}

/// `02_view-of-toledo` as "View of toledo": a number in front orders files and says nothing to visitors.
fn title(stem: &str) -> String {
    let words = stem.replace(['_', '-'], " ");
    let words: Vec<&str> = words.split_whitespace().collect();
    let is_number = |word: &&str| word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let from = usize::from(words.len() > 1 && words.first().is_some_and(is_number));
    let sentence = words[from..].join(" ");
    let mut letters = sentence.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => stem.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_what_names_say() {
        for (stem, expected) in [
            ("02_view-of-toledo", "View of toledo"),
            ("Old Plum", "Old Plum"),
            ("1945", "1945"),
            ("élan", "Élan"),
            ("--", "--"),
        ] {
            assert_eq!(title(stem), expected);
        }
    }
}
