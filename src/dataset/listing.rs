//! What lies in folders, and files of captions.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{Error, Result};

/// The files beneath `folder` with one of these extensions, in lower case; each with its path from there, with `/`
/// between folders, and in the order of these.
///
/// Fails if there are none. Hidden files and folders are left out.
pub fn files_beneath(folder: &Path, extensions: &[&str]) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    collect(folder, "", extensions, &mut found)?;
    if found.is_empty() {
        return Err(Error::input(
            format!("{} has no files that can be read", folder.display()),
            format!("name a folder with {} files", extensions.join(", ")),
        ));
    }
    found.sort();
    Ok(found)
}

fn collect(
    folder: &Path,
    prefix: &str,
    extensions: &[&str],
    found: &mut Vec<(String, PathBuf)>,
) -> Result<()> {
    let failed = |e| Error::file("read", folder, e);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let place = format!("{prefix}{name}");
        let extension = path
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        if path.is_dir() {
            collect(&path, &format!("{place}/"), extensions, found)?;
        } else if extensions.contains(&extension.as_str()) {
            found.push((place, path));
        }
    }
    Ok(())
}

#[derive(serde::Deserialize)]
struct Line {
    name: String,
    caption: String,
}

/// Captions by the name of what they describe: a JSON object `{"a.jpg": "A quiet lake"}`, or JSON lines
/// `{"name": "a.jpg", "caption": "A quiet lake"}`.
///
/// Fails if a name is there twice.
pub fn read_captions(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).map_err(|e| Error::file("read", path, e))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let wrong = |what: String| {
        Error::format(
            format!("{} is no file of captions ({what})", path.display()),
            "give {\"a.jpg\": \"A quiet lake\"}, or lines of {\"name\": \"a.jpg\", \"caption\": \"A quiet lake\"}",
        )
    };
    let mut captions = BTreeMap::new();
    let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
    match object {
        Ok(object) if !(object.contains_key("name") && object.contains_key("caption")) => {
            for (name, caption) in object {
                let Some(caption) = caption.as_str() else {
                    return Err(wrong(format!("what {name} has is no text")));
                };
                captions.insert(name, caption.to_string());
            }
        }
        _ => {
            for (number, line) in text.lines().enumerate() {
                if line.trim().is_empty() {
                    continue;
                }
                let Line { name, caption } = serde_json::from_str(line)
                    .map_err(|e| wrong(format!("line {}: {e}", number + 1)))?;
                if captions.contains_key(&name) {
                    return Err(wrong(format!("{name} is there twice")));
                }
                captions.insert(name, caption);
            }
        }
    }
    if captions.is_empty() {
        return Err(wrong("it is empty".into()));
    }
    Ok(captions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_folders_of_folders() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("b/c")).unwrap();
        for name in ["b/c/1.JPG", "b/2.jpg", "3.png", "4.txt", ".5.jpg"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = files_beneath(folder.path(), &["jpg", "png"]).unwrap();
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["3.png", "b/2.jpg", "b/c/1.JPG"]);
        assert!(files_beneath(folder.path(), &["wav"]).is_err());
    }

    #[test]
    fn captions_come_as_an_object_or_as_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("captions");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            read_captions(&path)
        };
        let object = read("{\"b.jpg\": \"A lake\",\n \"a.jpg\": \"A road\"}").unwrap();
        let lines = read(
            "{\"name\": \"a.jpg\", \"caption\": \"A road\"}\n\n{\"name\": \"b.jpg\", \"caption\": \"A lake\", \"by\": 1}\n",
        );
        assert_eq!(lines.unwrap(), object);
        assert_eq!(
            read("{\"name\": \"a\", \"caption\": \"b\"}").unwrap()["a"],
            "b"
        );
        for (text, expected) in [
            ("{\"a\": 1}", "no text"),
            ("{}", "empty"),
            (
                "{\"name\": \"a\", \"caption\": \"b\"}\n{\"name\": \"a\", \"caption\": \"c\"}",
                "twice",
            ),
            ("a lake\n", "line 1"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.message().contains(expected), "{error}");
        }
    }
}
