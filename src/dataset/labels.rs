//! Tables of styles and genres: what is known of files beside their content.

use std::{collections::BTreeMap, fs, path::Path};

use crate::{Error, Result};

/// The column of styles, and that of genres.
pub const STYLE: &str = "style";
/// See [`STYLE`].
pub const GENRE: &str = "genre";

/// What the column of files may be called.
const FILE_COLUMNS: [&str; 7] = [
    "file",
    "filename",
    "file_name",
    "image",
    "picture",
    "artwork",
    "name",
];

/// One label for each of many files.
#[derive(Debug, Clone, Default)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Reads the labels `column` (such as [`STYLE`]) from `path`.
    ///
    /// A JSON object gives each file's label, `{"a.jpg": "Impressionism"}`, or an object with all that is known of it,
    /// `{"a.jpg": {"style": "Impressionism"}}`. CSV (`.csv`, `.tsv`) has a header with `column` and one of `file`,
    /// `filename`, `file_name`, `image`, `picture`, `artwork` and `name`, as lists of ArtGraph's artworks are exported.
    /// Empty labels are none.
    pub fn open(path: &Path, column: &str) -> Result<Self> {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        let labels = match extension.to_str() {
            Some("csv") => read_csv(path, column, b',')?,
            Some("tsv") => read_csv(path, column, b'\t')?,
            _ => read_json(path, column)?,
        };
        if labels.is_empty() {
            return Err(Error::format(
                format!("{} names no {column}", path.display()),
                "give a table with a file and a label each",
            ));
        }
        Ok(Self(labels))
    }

    /// The label of `file`: under its whole name, or that without its folders.
    pub fn of(&self, file: &str) -> Option<&str> {
        let label = self.0.get(file);
        let own = || self.0.get(file.rsplit('/').next().unwrap_or(file));
        label.or_else(own).map(String::as_str)
    }

    /// How many of `files` have each label, the most frequent first; those without come last, as `(none)`.
    pub fn counts<'a>(&self, files: impl Iterator<Item = &'a str>) -> Vec<(String, usize)> {
        count(files.map(|file| self.of(file)))
    }
}

/// How often each label occurs, the most frequent first; those without come last, as `(none)`.
pub(super) fn count<'a>(labels: impl Iterator<Item = Option<&'a str>>) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for label in labels {
        *counts.entry(label).or_default() += 1;
    }
    let without = counts.remove(&None);
    let named = counts
        .into_iter()
        .filter_map(|(label, count)| Some((label?.to_string(), count)));
    let mut counts: Vec<(String, usize)> = named.collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    counts.extend(without.map(|count| ("(none)".to_string(), count)));
    counts
}

fn read_json(path: &Path, column: &str) -> Result<BTreeMap<String, String>> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Known {
        Label(String),
        All(serde_json::Map<String, serde_json::Value>),
    }
    let bytes = fs::read(path).map_err(|e| Error::file("read", path, e))?;
    let table: BTreeMap<String, Known> = serde_json::from_slice(&bytes).map_err(|e| {
        Error::format(
            format!("{} is no table of {column}s ({e})", path.display()),
            format!("give {{\"a.jpg\": \"Impressionism\"}}, or a .csv file with the columns file and {column}"),
        )
    })?;
    let labels = table.into_iter().filter_map(|(file, known)| {
        let label = match known {
            Known::Label(label) => label,
            Known::All(all) => all.get(column)?.as_str()?.to_string(),
        };
        (!label.is_empty()).then_some((file, label))
    });
    Ok(labels.collect())
}

fn read_csv(path: &Path, column: &str, delimiter: u8) -> Result<BTreeMap<String, String>> {
    let wrong = |what: String| {
        Error::format(
            format!("{} is no table of {column}s ({what})", path.display()),
            format!("give it a header with the columns file and {column}"),
        )
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_path(path)
        .map_err(|e| unreadable(path, e))?;
    let header = reader.headers().map_err(|e| wrong(e.to_string()))?.clone();
    let find = |wanted: &str| {
        let own = |cell: &str| {
            cell.trim()
                .trim_start_matches('\u{feff}')
                .eq_ignore_ascii_case(wanted)
        };
        header.iter().position(own)
    };
    let file = FILE_COLUMNS.into_iter().find_map(find);
    let file =
        file.ok_or_else(|| wrong(format!("no column is called {}", FILE_COLUMNS.join(", "))))?;
    let label = find(column).ok_or_else(|| wrong(format!("no column is called {column}")))?;
    let mut labels = BTreeMap::new();
    for row in reader.records() {
        let row = row.map_err(|e| wrong(e.to_string()))?;
        let (file, label) = (
            row.get(file).unwrap_or(""),
            row.get(label).unwrap_or("").trim(),
        );
        if !label.is_empty() {
            labels.insert(file.to_string(), label.to_string());
        }
    }
    Ok(labels)
}

/// The error for a table that cannot be opened.
pub(super) fn unreadable(path: &Path, error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Error::file("read", path, error),
        other => Error::format(
            format!("{} cannot be read ({other:?})", path.display()),
            "give a CSV file",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_as_json_and_as_csv() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &str, column: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            Labels::open(&path, column)
        };
        let plain = read("a.json", r#"{"a.jpg": "Cubism", "b.jpg": ""}"#, STYLE).unwrap();
        assert_eq!(
            (plain.of("a.jpg"), plain.of("b.jpg")),
            (Some("Cubism"), None)
        );
        let all =
            r#"{"a.jpg": {"style": "Cubism", "genre": "portrait"}, "b.jpg": {"style": "Fauvism"}}"#;
        let genres = read("b.json", all, GENRE).unwrap();
        assert_eq!(
            (genres.of("x/a.jpg"), genres.of("b.jpg")),
            (Some("portrait"), None)
        );
        let table = "image,artist,style,genre\n\"a,1.jpg\",x,\"Cubism\",portrait\nb.jpg,y,Cubism,\nc.jpg,z,Fauvism,view\n";
        let styles = read("c.csv", table, STYLE).unwrap();
        assert_eq!(styles.of("a,1.jpg"), Some("Cubism"));
        let files = ["a,1.jpg", "b.jpg", "c.jpg", "d.jpg"];
        let expected = [("Cubism", 2), ("Fauvism", 1), ("(none)", 1)]
            .map(|(label, count)| (label.to_string(), count));
        assert_eq!(styles.counts(files.into_iter()), expected);
        let tabs = read("d.tsv", "File\tStyle\na.jpg\tCubism\n", STYLE).unwrap();
        assert_eq!(tabs.of("a.jpg"), Some("Cubism"));
        for (name, text, expected) in [
            ("e.json", "[]", "no table of styles"),
            ("f.csv", "file,genre\na,b\n", "no column is called style"),
            ("g.csv", "path,style\na,b\n", "no column is called file"),
            ("h.csv", "file,style\na\n", "no table of styles"),
            ("i.json", "{}", "names no style"),
        ] {
            let error = read(name, text, STYLE).unwrap_err();
            assert!(error.message().contains(expected), "{error}");
        }
    }
}
