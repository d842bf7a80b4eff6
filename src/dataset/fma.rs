//! The Free Music Archive's metadata: Defferrard et al., "FMA: A dataset for music analysis", 2017.

use std::{collections::BTreeMap, path::Path};

use super::labels::{count, unreadable};
use crate::{Error, Result};

/// Genres of tracks, by the number of the track.
#[derive(Debug, Clone, Default)]
pub struct FmaTracks {
    /// The top genre of each; none for tracks of several.
    top: BTreeMap<u64, Option<String>>,
    /// The numbers of all genres that a track is given.
    genres: BTreeMap<u64, Vec<u64>>,
    /// What genres are called.
    titles: BTreeMap<u64, String>,
}

impl FmaTracks {
    /// Reads `tracks.csv`, which has three rows of headers (the group of each column, its name, and `track_id`), and
    /// with it `genres.csv`, where it is given, for the names of genres.
    pub fn open(tracks: &Path, genres: Option<&Path>) -> Result<Self> {
        let mut table = Self::default();
        if let Some(genres) = genres {
            table.titles = read_titles(genres)?;
        }
        let wrong = |what: String| {
            Error::format(
                format!(
                    "{} is not the metadata of the Free Music Archive ({what})",
                    tracks.display()
                ),
                "give tracks.csv of fma_metadata.zip as it is",
            )
        };
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_path(tracks)
            .map_err(|e| unreadable(tracks, e))?;
        let mut rows = reader.records();
        let mut header = || match rows.next() {
            Some(Ok(row)) => Ok(row),
            Some(Err(e)) => Err(wrong(e.to_string())),
            None => Err(wrong("it has no header".into())),
        };
        let (groups, names, last) = (header()?, header()?, header()?);
        if last.get(0) != Some("track_id") {
            return Err(wrong("its third row does not begin with track_id".into()));
        }
        let column = |name: &str| {
            let own = |(group, own): (&str, &str)| group == "track" && own == name;
            let at = groups.iter().zip(&names).position(own);
            at.ok_or_else(|| wrong(format!("it has no column track, {name}")))
        };
        let (top, all) = (column("genre_top")?, column("genres")?);
        for row in reader.records() {
            let row = row.map_err(|e| wrong(e.to_string()))?;
            let id = row.get(0).unwrap_or("");
            let id: u64 = id
                .parse()
                .map_err(|_| wrong(format!("{id:?} is no number of a track")))?;
            let label = row.get(top).filter(|label| !label.is_empty());
            table.top.insert(id, label.map(str::to_string));
            let list = row.get(all).unwrap_or("").trim_matches(['[', ']']);
            let list = list
                .split(',')
                .map(str::trim)
                .filter(|number| !number.is_empty());
            let list = list.map(|number| {
                let number = number.parse::<u64>();
                number.map_err(|_| wrong(format!("the genres of track {id} are no numbers")))
            });
            table.genres.insert(id, list.collect::<Result<_>>()?);
        }
        Ok(table)
    }

    /// How many of the tracks `files` have each top genre, the most frequent first. The name of a file is the number of
    /// its track, `010/010425.mp3`.
    pub fn top_genres<'a>(&self, files: impl Iterator<Item = &'a str>) -> Vec<(String, usize)> {
        count(files.map(|file| self.top.get(&number_of(file)?)?.as_deref()))
    }

    /// How many of the tracks `files` have each genre at all, of which a track may have several; by name where
    /// `genres.csv` was read.
    pub fn all_genres<'a>(&self, files: impl Iterator<Item = &'a str>) -> Vec<(String, usize)> {
        let mut labels: Vec<Option<String>> = Vec::new();
        for file in files {
            let genres = number_of(file).and_then(|number| self.genres.get(&number));
            match genres {
                Some(genres) if !genres.is_empty() => {
                    let title = |genre: &u64| self.titles.get(genre).cloned();
                    let name = |genre: &u64| title(genre).unwrap_or_else(|| genre.to_string());
                    labels.extend(genres.iter().map(|genre| Some(name(genre))));
                }
                _ => labels.push(None),
            }
        }
        count(labels.iter().map(Option::as_deref))
    }
}

/// The number of the track in `file`.
fn number_of(file: &str) -> Option<u64> {
    Path::new(file).file_stem()?.to_str()?.parse().ok()
}

fn read_titles(path: &Path) -> Result<BTreeMap<u64, String>> {
    #[derive(serde::Deserialize)]
    struct Genre {
        genre_id: u64,
        title: String,
    }
    let mut reader = csv::Reader::from_path(path).map_err(|e| unreadable(path, e))?;
    let rows = reader.deserialize().map(|row| {
        let Genre { genre_id, title } = row.map_err(|e| {
            Error::format(
                format!("{} is no list of genres ({e})", path.display()),
                "give genres.csv of fma_metadata.zip as it is",
            )
        })?;
        Ok((genre_id, title))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn three_rows_of_headers_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let (tracks, genres) = (
            folder.path().join("tracks.csv"),
            folder.path().join("genres.csv"),
        );
        let text = ",album,set,track,track,track\n,title,subset,genre_top,genres,title\ntrack_id,,,,,\n\
                    2,\"A, B\",small,Hip-Hop,[21],Food\n5,AWOL,large,,\"[21, 12]\",\"It\n is\"\n10,X,large,,[],Y\n";
        fs::write(&tracks, text).unwrap();
        fs::write(
            &genres,
            "genre_id,#tracks,parent,title,top_level\n12,5,0,Rock,12\n21,9,0,Hip-Hop,21\n",
        )
        .unwrap();
        let table = FmaTracks::open(&tracks, Some(&genres)).unwrap();
        let files = || ["000/000002.mp3", "000/000005.mp3", "000010.mp3", "x.mp3"].into_iter();
        let owned = |counts: &[(&str, usize)]| -> Vec<(String, usize)> {
            counts
                .iter()
                .map(|(label, count)| (label.to_string(), *count))
                .collect()
        };
        assert_eq!(
            table.top_genres(files()),
            owned(&[("Hip-Hop", 1), ("(none)", 3)])
        );
        assert_eq!(
            table.all_genres(files()),
            owned(&[("Hip-Hop", 2), ("Rock", 1), ("(none)", 2)])
        );
        let unnamed = FmaTracks::open(&tracks, None).unwrap();
        assert_eq!(unnamed.all_genres(files())[0], ("21".to_string(), 2));
        for (text, expected) in [
            ("a,b\nc,d\ne,f\n", "track_id"),
            (",track\n,title\ntrack_id,\n", "genre_top"),
            ("a,b\n", "no header"),
        ] {
            fs::write(&tracks, text).unwrap();
            let error = FmaTracks::open(&tracks, None).unwrap_err();
            assert!(error.message().contains(expected), "{error}");
        }
    }
}
