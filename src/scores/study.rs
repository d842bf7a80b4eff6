//! What the answers of a listening study say.

use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    Error, Result,
    metrics::{
        agreement::{Scale, krippendorff_alpha},
        summary::Interval,
    },
};

/// What the page calls the question which piece is preferred, and the answer that none is.
const PREFERRED: &str = "preferred";
const NONE: &str = "none";
/// Samples of the bootstrap of an agreement.
const RESAMPLES: usize = 1000;
/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_964;
/// Those of Student's t with 1 to 10 degrees of freedom.
const T: [f64; 10] = [
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
];

/// A line of the exported table.
#[derive(Debug, Clone, Deserialize)]
struct Row {
    study: String,
    participant: String,
    item: String,
    system: String,
    question: String,
    rating: u8,
}

/// The answers of all participants.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    study: String,
    /// By question, system, participant and item.
    ratings: BTreeMap<(String, String, String, String), u8>,
    /// The preferred system, by participant and item.
    preferences: BTreeMap<(String, String), String>,
}

/// The mean of a system's ratings, over the means of participants.
#[derive(Debug, Clone, Serialize)]
pub struct Rating {
    /// The question.
    pub question: String,
    /// The system.
    pub system: String,
    /// The mean of the participants' means.
    pub mean: f64,
    /// Its interval of 95 % (Student's t); none of a single participant.
    pub interval: Option<[f64; 2]>,
    /// Participants.
    pub participants: usize,
    /// Their ratings.
    pub ratings: usize,
}

/// How often a system is preferred, where one is.
#[derive(Debug, Clone, Serialize)]
pub struct Preference {
    /// The system.
    pub system: String,
    /// How often it is preferred.
    pub count: usize,
    /// Among how many answers that prefer one.
    pub of: usize,
    /// Wilson's interval of 95 %.
    pub interval: [f64; 2],
}

/// How far participants agree on a question: Krippendorff's alpha, where each piece is a unit, with intervals over pieces.
#[derive(Debug, Clone, Serialize)]
pub struct Agreement {
    /// The question.
    pub question: String,
    /// Pieces that at least two participants rated.
    pub pieces: usize,
    /// Where the order of ratings counts; none where all ratings are equal.
    pub ordinal: Option<Interval>,
    /// Where their differences count.
    pub interval: Option<Interval>,
}

/// All of it.
#[derive(Debug, Clone, Serialize)]
pub struct StudyReport {
    /// The study's name.
    pub study: String,
    /// Participants.
    pub participants: usize,
    /// A row for each question and system.
    pub ratings: Vec<Rating>,
    /// A row for each system.
    pub preferences: Vec<Preference>,
    /// A row for each question.
    pub agreements: Vec<Agreement>,
}

impl Answers {
    /// Reads the tables that the page exports: `study, participant, item, system, heard, question, rating, time`. Answers that
    /// are there twice count once.
    ///
    /// Fails if two files are of different studies, or contradict each other.
    pub fn open(files: &[PathBuf]) -> Result<Self> {
        let mut answers = Self::default();
        for file in files {
            answers.add(file)?;
        }
        if answers.ratings.is_empty() {
            return Err(Error::input(
                "the tables have no ratings",
                "give CSV that the page of the study has saved",
            ));
        }
        Ok(answers)
    }

    fn add(&mut self, file: &Path) -> Result<()> {
        let wrong = |what: String| {
            Error::format(
                format!("{} is no table of answers ({what})", file.display()),
                "give CSV that the page of the study has saved",
            )
        };
        let mut reader = csv::Reader::from_path(file).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => Error::file("read", file, error),
            other => wrong(format!("{other:?}")),
        })?;
        for row in reader.deserialize() {
            let row: Row = row.map_err(|e| wrong(e.to_string()))?;
            let Row {
                study,
                participant,
                item,
                system,
                question,
                rating,
            } = row;
            if self.study.is_empty() {
                self.study.clone_from(&study);
            }
            if study != self.study {
                return Err(wrong(format!(
                    "it is of the study {study}, others are of {}",
                    self.study
                )));
            }
            let what =
                format!("{participant} answers {question} for {item} twice, and differently");
            let same = match question == PREFERRED {
                true => {
                    let before = self.preferences.insert((participant, item), system.clone());
                    before.is_none_or(|before| before == system)
                }
                false => {
                    if !(1..=5).contains(&rating) {
                        return Err(wrong(format!("{rating} is no rating from 1 to 5")));
                    }
                    let place = (question, system, participant, item);
                    let before = self.ratings.insert(place, rating);
                    before.is_none_or(|before| before == rating)
                }
            };
            if !same {
                return Err(wrong(what));
            }
        }
        Ok(())
    }

    /// What they say.
    pub fn report(&self) -> StudyReport {
        let questions: BTreeSet<&String> = self.ratings.keys().map(|key| &key.0).collect();
        let systems: BTreeSet<&String> = self.ratings.keys().map(|key| &key.1).collect();
        let people = self.ratings.keys().map(|key| &key.2);
        let people: BTreeSet<&String> = people
            .chain(self.preferences.keys().map(|key| &key.0))
            .collect();
        let rows = questions
            .iter()
            .flat_map(|question| systems.iter().map(move |system| (question, system)));
        StudyReport {
            study: self.study.clone(),
            participants: people.len(),
            ratings: rows
                .filter_map(|(question, system)| self.rating(question, system))
                .collect(),
            preferences: systems
                .iter()
                .map(|system| self.preference(system))
                .collect(),
            agreements: questions
                .iter()
                .map(|question| self.agreement(question))
                .collect(),
        }
    }

    fn rating(&self, question: &str, system: &str) -> Option<Rating> {
        let mut by_person: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
        for ((own, other, person, _), rating) in &self.ratings {
            if own == question && other == system {
                by_person
                    .entry(person)
                    .or_default()
                    .push(f64::from(*rating));
            }
        }
        let means: Vec<f64> = by_person
            .values()
            .map(|own| own.iter().sum::<f64>() / own.len() as f64)
            .collect();
        let count = means.len() as f64;
        let mean = means.iter().sum::<f64>() / count;
        let squares: f64 = means.iter().map(|own| (own - mean).powi(2)).sum();
        let reach = || t_quantile(means.len() - 1) * (squares / (count - 1.0) / count).sqrt();
        (!means.is_empty()).then(|| Rating {
            question: question.to_string(),
            system: system.to_string(),
            mean,
            interval: (means.len() > 1).then(|| [mean - reach(), mean + reach()]),
            participants: means.len(),
            ratings: by_person.values().map(Vec::len).sum(),
        })
    }

    fn preference(&self, system: &str) -> Preference {
        let decided = || {
            self.preferences
                .values()
                .filter(|preferred| *preferred != NONE)
        };
        let (count, of) = (
            decided().filter(|own| *own == system).count(),
            decided().count(),
        );
        Preference {
            system: system.to_string(),
            count,
            of,
            interval: wilson(count, of),
        }
    }

    fn agreement(&self, question: &str) -> Agreement {
        let mut pieces: BTreeMap<(&String, &String), Vec<u8>> = BTreeMap::new();
        for ((own, system, _, item), rating) in &self.ratings {
            if own == question {
                pieces.entry((system, item)).or_default().push(*rating);
            }
        }
        let units: Vec<Vec<u8>> = pieces.into_values().filter(|unit| unit.len() > 1).collect();
        let alpha = |scale| {
            Interval::of(units.len(), RESAMPLES, |picks| {
                let picked: Vec<Vec<u8>> = picks.iter().map(|pick| units[*pick].clone()).collect();
                krippendorff_alpha(&picked, scale)
            })
        };
        Agreement {
            question: question.to_string(),
            pieces: units.len(),
            ordinal: alpha(Scale::Ordinal),
            interval: alpha(Scale::Interval),
        }
    }
}

impl StudyReport {
    /// Three tables in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| question | system | mean | 95 % | participants | ratings |\n|---|---|---|---|---|---|\n",
        );
        for row in &self.ratings {
            let interval = row
                .interval
                .map_or("-".into(), |[low, high]| format!("{low:.2} to {high:.2}"));
            text += &format!(
                "| {} | {} | {:.2} | {interval} | {} | {} |\n",
                row.question, row.system, row.mean, row.participants, row.ratings
            );
        }
        text += "\n| preferred | times | share | 95 % |\n|---|---|---|---|\n";
        for row in &self.preferences {
            let share = 100.0 * row.count as f64 / row.of.max(1) as f64;
            let [low, high] = row.interval.map(|end| 100.0 * end);
            text += &format!(
                "| {} | {} of {} | {share:.1} % | {low:.1} to {high:.1} % |\n",
                row.system, row.count, row.of
            );
        }
        text += "\n| agreement (Krippendorff's alpha) | pieces | ordinal | interval |\n|---|---|---|---|\n";
        let cell = |value: Option<Interval>| match value {
            None => "-".to_string(),
            Some(Interval { value, low, high }) => format!("{value:.3} [{low:.3}, {high:.3}]"),
        };
        for row in &self.agreements {
            text += &format!(
                "| {} | {} | {} | {} |\n",
                row.question,
                row.pieces,
                cell(row.ordinal),
                cell(row.interval)
            );
        }
        text
    }
}

/// The 97.5 % quantile of Student's t: from tables, beyond them the expansion of Cornish and Fisher, good to 2e-4.
fn t_quantile(freedom: usize) -> f64 {
    match T.get(freedom.wrapping_sub(1)) {
        Some(known) => *known,
        None => {
            let n = freedom as f64;
            let (z3, z5, z7) = (Z.powi(3), Z.powi(5), Z.powi(7));
            Z + (z3 + Z) / (4.0 * n)
                + (5.0 * z5 + 16.0 * z3 + 3.0 * Z) / (96.0 * n * n)
                + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * Z) / (384.0 * n.powi(3))
        }
    }
}

/// Wilson's score interval, 1927.
fn wilson(count: usize, of: usize) -> [f64; 2] {
    if of == 0 {
        return [0.0, 1.0];
    }
    let (p, n, z2) = (count as f64 / of as f64, of as f64, Z * Z);
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let reach = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    [(centre - reach).max(0.0), (centre + reach).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "study,participant,item,system,heard,question,rating,time\n";

    fn open(tables: &[&str]) -> Result<Answers> {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = (0..tables.len())
            .map(|i| folder.path().join(format!("{i}.csv")))
            .collect();
        for (file, table) in files.iter().zip(tables) {
            std::fs::write(file, format!("{HEADER}{table}")).unwrap();
        }
        Answers::open(&files)
    }

    #[test]
    fn means_are_those_of_participants() {
        let first = "s,p,1,ours,1,fit,5,t\ns,p,2,ours,2,fit,4,t\ns,p,1,theirs,2,fit,1,t\ns,p,1,ours,1,preferred,1,t\n\
                     s,p,2,none,0,preferred,1,t\n";
        let second = "s,q,1,ours,1,fit,4,t\ns,q,1,theirs,2,fit,2,t\ns,q,1,ours,1,preferred,1,t\n";
        // The first participant saved twice.
        let report = open(&[first, second, first]).unwrap().report();
        assert_eq!((report.participants, report.study.as_str()), (2, "s"));
        let ours = &report.ratings[0];
        assert_eq!(
            (ours.system.as_str(), ours.mean, ours.ratings),
            ("ours", 4.25, 3)
        );
        // 4.5 and 4: a standard error of 0.25, and t with one degree of freedom.
        let [low, high] = ours.interval.unwrap();
        assert!((high - 4.25 - 12.7062 * 0.25).abs() < 1e-6 && (high + low - 8.5).abs() < 1e-9);
        assert_eq!(
            (report.preferences[0].count, report.preferences[0].of),
            (2, 2)
        );
        // Wilson's interval of 2 of 2 begins at 1 / (1 + z^2 / 2).
        assert!((report.preferences[0].interval[0] - 1.0 / (1.0 + Z * Z / 2.0)).abs() < 1e-9);
        let agreement = &report.agreements[0];
        assert_eq!(agreement.pieces, 2);
        assert!(agreement.interval.unwrap().value > 0.8);
        let text = report.markdown();
        assert!(
            text.contains("| fit | ours | 4.25 |") && text.contains("2 of 2"),
            "{text}"
        );
    }

    #[test]
    fn contradictions_are_refused() {
        let first = "s,p,1,ours,1,fit,5,t\n";
        for (other, expected) in [
            ("s,p,1,ours,1,fit,4,t\n", "twice, and differently"),
            ("r,p,1,ours,1,fit,5,t\n", "study r"),
            ("s,p,2,ours,1,fit,6,t\n", "no rating"),
            ("s,p,2,ours,1,fit,good,t\n", "no table of answers"),
        ] {
            let error = open(&[first, other]).unwrap_err();
            assert!(error.message().contains(expected), "{error}");
        }
        assert!(
            open(&["", ""])
                .unwrap_err()
                .message()
                .contains("no ratings")
        );
    }

    #[test]
    fn quantiles_go_on_behind_the_table() {
        assert!((t_quantile(11) - 2.2010).abs() < 2e-4 && (t_quantile(30) - 2.0423).abs() < 2e-4);
    }
}
