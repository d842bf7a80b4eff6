//! ArtiCaps: comments on paintings, each with music whose description is most like it.
//!
//! Hong et al., "Art2Music: Generating Music for Art Images with Multi-modal Feeling Alignment", 2025. Comments are
//! ArtEmis's (Achlioptas et al., "ArtEmis: Affective Language for Visual Art", 2021), music is MusicCaps's (Agostinelli et
//! al., "MusicLM: Generating Music From Text", 2023), both as their CSV files are published. Which text network compared
//! them, from which similarity on, and how often music was used, is not published: all of that is asked for here.

mod csv;
mod matching;

use serde::Serialize;
use std::path::{Path, PathBuf};

use crate::{Error, Result, ops::Kernels};
use csv::Table;
pub use matching::{Limits, Match, Vectors, best_matches};

/// Where a table's files lie.
#[derive(Debug, Clone)]
pub struct Files {
    /// Their folder; files that are not there are left out then. When left out, names are taken as they are.
    pub folder: Option<PathBuf>,
    /// A file's name, with names of columns in braces.
    pub name: String,
}

/// Both tables, and of them the rows that can be used.
#[derive(Debug)]
pub struct Tables {
    artemis: Table,
    musiccaps: Table,
    /// Rows of comments with their pictures' files.
    comments: Vec<(usize, String)>,
    /// Rows of clips with their files.
    clips: Vec<(usize, String)>,
    /// Rows whose files are not there.
    missing: Missing,
}

/// How many rows were left out because their files are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Comments without a picture.
    pub comments: usize,
    /// Descriptions without music.
    pub clips: usize,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The painting's file.
    pub picture: String,
    /// What a person says of it.
    pub comment: String,
    /// The clip's file.
    pub music: String,
    /// The emotion that they name.
    pub emotion: String,
    /// AudioSet's classes of the clip.
    pub labels: String,
    /// What musicians name of the clip, with commas between.
    pub keywords: String,
    /// The cosine of both descriptions.
    pub similarity: f32,
    /// The painting's style.
    pub style: String,
    /// The clip's identity.
    pub clip: String,
}

/// What was matched, in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// Comments that could be matched.
    pub comments: usize,
    /// Clips that could be used.
    pub clips: usize,
    /// Rows whose files are not there.
    pub missing: Missing,
    /// Pairs.
    pub pairs: usize,
    /// Of their similarities: the mean,
    pub mean: f64,
    /// the standard deviation,
    pub deviation: f64,
    /// the least,
    pub least: f64,
    /// and the largest.
    pub largest: f64,
    /// Clips that are used at all.
    pub used: usize,
    /// How often the clip is used that is used most.
    pub most_used: usize,
    /// Uses of a clip, mean over those that are used.
    pub mean_uses: f64,
    /// How many clips are used so often: from never on.
    pub uses: Vec<usize>,
}

impl Tables {
    /// Reads ArtEmis's and MusicCaps's tables. `per_painting` is the most comments that are taken of a painting, the first
    /// ones.
    pub fn open(
        (artemis, pictures): (&Path, &Files),
        (musiccaps, music): (&Path, &Files),
        per_painting: Option<usize>,
    ) -> Result<Self> {
        let (artemis, musiccaps) = (Table::open(artemis)?, Table::open(musiccaps)?);
        for name in ["art_style", "painting", "emotion", "utterance"] {
            artemis.column(name)?;
        }
        for name in ["ytid", "audioset_positive_labels", "aspect_list", "caption"] {
            musiccaps.column(name)?;
        }
        let (mut comments, no_pictures) = there(&artemis, pictures, "utterance")?;
        let (clips, no_music) = there(&musiccaps, music, "caption")?;
        if let Some(most) = per_painting {
            let mut taken = std::collections::HashMap::new();
            comments.retain(|(_, picture)| {
                let count = taken.entry(picture.clone()).or_insert(0);
                *count += 1;
                *count <= most
            });
        }
        let tables = Self {
            artemis,
            musiccaps,
            comments,
            clips,
            missing: Missing {
                comments: no_pictures,
                clips: no_music,
            },
        };
        for (what, count, missing) in [
            ("comments on pictures", tables.comments.len(), no_pictures),
            ("described clips of music", tables.clips.len(), no_music),
        ] {
            if count == 0 {
                return Err(Error::input(
                    format!("there are no {what} ({missing} have no file)"),
                    "check the tables, and the folders and names of files",
                ));
            }
        }
        Ok(tables)
    }

    /// The comments.
    pub fn comments(&self) -> Result<Vec<&str>> {
        let column = self.artemis.column("utterance")?;
        let rows = self.comments.iter();
        Ok(rows
            .map(|(row, _)| self.artemis.field(*row, column))
            .collect())
    }

    /// The descriptions of clips.
    pub fn captions(&self) -> Result<Vec<&str>> {
        let column = self.musiccaps.column("caption")?;
        let rows = self.clips.iter();
        Ok(rows
            .map(|(row, _)| self.musiccaps.field(*row, column))
            .collect())
    }

    /// The best matches, by the embeddings of [`Self::comments`] and [`Self::captions`].
    pub fn matches<B: Kernels>(
        &self,
        [comments, captions]: [&Vectors; 2],
        limits: Limits,
        device: &B::Device,
        progress: &dyn Fn(usize),
    ) -> Result<Vec<Match>> {
        if comments.len() != self.comments.len() || captions.len() != self.clips.len() {
            return Err(Error::internal("there are other embeddings than texts"));
        }
        best_matches::<B>(comments, captions, limits, device, progress)
    }

    /// A match as a line of the list.
    pub fn line(&self, found: &Match) -> Result<Line> {
        let (comment, picture) = &self.comments[found.comment];
        let (clip, music) = &self.clips[found.clip];
        let said = |name: &str| -> Result<String> {
            let column = self.artemis.column(name)?;
            Ok(self.artemis.field(*comment, column).to_string())
        };
        let heard = |name: &str| -> Result<String> {
            let column = self.musiccaps.column(name)?;
            Ok(self.musiccaps.field(*clip, column).to_string())
        };
        Ok(Line {
            picture: picture.clone(),
            comment: said("utterance")?,
            music: music.clone(),
            emotion: said("emotion")?,
            labels: heard("audioset_positive_labels")?,
            keywords: keywords(&heard("aspect_list")?),
            similarity: found.similarity,
            style: said("art_style")?,
            clip: heard("ytid")?,
        })
    }

    /// What was matched, in numbers.
    pub fn statistics(&self, matches: &[Match]) -> Statistics {
        let count = matches.len().max(1) as f64;
        let similarities = || matches.iter().map(|found| f64::from(found.similarity));
        let mean = similarities().sum::<f64>() / count;
        let squares = similarities().map(|x| (x - mean).powi(2)).sum::<f64>();
        let mut used = vec![0; self.clips.len()];
        matches.iter().for_each(|found| used[found.clip] += 1);
        let most = used.iter().copied().max().unwrap_or(0);
        let mut uses = vec![0; most + 1];
        used.iter().for_each(|count| uses[*count] += 1);
        let used = self.clips.len() - uses[0];
        let extreme = |better: fn(f64, f64) -> f64| similarities().reduce(better).unwrap_or(0.0);
        Statistics {
            comments: self.comments.len(),
            clips: self.clips.len(),
            missing: self.missing,
            pairs: matches.len(),
            mean,
            deviation: (squares / count).sqrt(),
            least: extreme(f64::min),
            largest: extreme(f64::max),
            used,
            most_used: most,
            mean_uses: matches.len() as f64 / used.max(1) as f64,
            uses,
        }
    }
}

/// Rows with a text in the column `text` whose files are there, with those files; and how many have none.
fn there(table: &Table, files: &Files, text: &str) -> Result<(Vec<(usize, String)>, usize)> {
    let column = table.column(text)?;
    let (mut found, mut missing) = (Vec::new(), 0);
    for row in 0..table.len() {
        if table.field(row, column).trim().is_empty() {
            continue;
        }
        let name = table.filled(&files.name, row)?;
        let Some(folder) = &files.folder else {
            found.push((row, name));
            continue;
        };
        let place = std::path::absolute(folder).map_err(|e| Error::file("find", folder, e))?;
        let place = place.join(&name);
        if place.is_file() {
            found.push((row, place.display().to_string()));
        } else {
            missing += 1;
        }
    }
    Ok((found, missing))
}

/// The words of a list as MusicCaps writes it, `['slow', "someone's"]`, with commas between. Other texts stay.
fn keywords(list: &str) -> String {
    let inner = list
        .trim()
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let Some(inner) = inner else {
        return list.trim().to_string();
    };
    let mut words = Vec::new();
    let mut letters = inner.chars();
    while let Some(quote) = letters.by_ref().find(|letter| matches!(letter, '\'' | '"')) {
        let mut word = String::new();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => word.extend(letters.next()),
                _ if letter == quote => break,
                _ => word.push(letter),
            }
        }
        words.push(word);
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Cpu;
    use std::fs;

    const ARTEMIS: &str = "art_style,painting,emotion,utterance,repetition\n\
        Realism,a_lake,contentment,\"The lake, so calm\",2\n\
        Realism,a_lake,awe,Such deep water,2\n\
        Cubism,a_face,fear,It stares at me,1\n\
        Cubism,lost,fear,Nobody has this picture,1\n";
    const MUSICCAPS: &str = "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption,author_id\n\
        -abc,0,10,\"/m/04rlf,/m/05r5c\",\"['slow', \"\"pianist's hands\"\"]\",A calm piano,4\n\
        xyz,30,40,/m/04rlf,['loud'],Screaming metal,4\n";

    fn files(folder: &Path, name: &str) -> Files {
        Files {
            folder: Some(folder.to_path_buf()),
            name: name.into(),
        }
    }

    #[test]
    fn comments_get_music_and_lines_say_all_of_both() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::write(place("artemis.csv"), ARTEMIS).unwrap();
        fs::write(place("musiccaps.csv"), MUSICCAPS).unwrap();
        fs::create_dir(place("Realism")).unwrap();
        fs::create_dir(place("Cubism")).unwrap();
        for name in [
            "Realism/a_lake.jpg",
            "Cubism/a_face.jpg",
            "-abc.wav",
            "xyz.wav",
        ] {
            fs::write(place(name), "").unwrap();
        }
        let (artemis, musiccaps) = (place("artemis.csv"), place("musiccaps.csv"));
        let pictures = files(folder.path(), "{art_style}/{painting}.jpg");
        let music = files(folder.path(), "{ytid}.wav");
        let open = |per| Tables::open((&artemis, &pictures), (&musiccaps, &music), per);
        let tables = open(None).unwrap();
        assert_eq!(tables.comments().unwrap().len(), 3);
        assert_eq!(
            tables.captions().unwrap(),
            ["A calm piano", "Screaming metal"]
        );
        let comments = Vectors::normalised(vec![1.0, 0.1, 1.0, 0.0, 0.2, 1.0], 2);
        let captions = Vectors::normalised(vec![2.0, 0.0, 0.0, 1.0], 2);
        let limits = Limits {
            reuse: None,
            threshold: 0.0,
        };
        let both = [&comments, &captions];
        let found = tables
            .matches::<Cpu>(both, limits, &Default::default(), &|_| ())
            .unwrap();
        let clips: Vec<usize> = found.iter().map(|found| found.clip).collect();
        assert_eq!(clips, [0, 0, 1]);
        let line = tables.line(&found[0]).unwrap();
        assert!(Path::new(&line.picture).is_absolute() && line.picture.ends_with("a_lake.jpg"));
        assert_eq!(line.comment, "The lake, so calm");
        assert_eq!(line.keywords, "slow, pianist's hands");
        assert_eq!(
            (line.labels.as_str(), line.emotion.as_str()),
            ("/m/04rlf,/m/05r5c", "contentment")
        );
        let statistics = tables.statistics(&found);
        assert_eq!(
            statistics.missing,
            Missing {
                comments: 1,
                clips: 0
            }
        );
        assert_eq!(
            (statistics.pairs, statistics.used, statistics.most_used),
            (3, 2, 2)
        );
        assert_eq!(statistics.uses, [0, 1, 1]);
        assert!((statistics.largest - 1.0).abs() < 1e-6 && statistics.least > 0.9);

        // One comment of a painting, and no music twice.
        let tables = open(Some(1)).unwrap();
        assert_eq!(
            tables.comments().unwrap(),
            ["The lake, so calm", "It stares at me"]
        );
        fs::remove_file(place("-abc.wav")).unwrap();
        fs::remove_file(place("xyz.wav")).unwrap();
        let error = open(None).unwrap_err();
        assert!(
            error
                .message()
                .contains("no described clips of music (2 have no file)"),
            "{error}"
        );
    }

    #[test]
    fn keywords_are_read_in_every_form() {
        assert_eq!(keywords("['a', 'b c']"), "a, b c");
        assert_eq!(keywords("[\"it's\", 'x\\'y']"), "it's, x'y");
        assert_eq!(keywords("[]"), "");
        assert_eq!(keywords(" plain "), "plain");
    }
}
