//! `art2mus generate --list`: many pieces, one after the other.

use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{Arguments, generate, music_of, read_picture, request, write_pieces};
use crate::{
    Error, ErrorKind, Result,
    cli::{
        bundle_location,
        on_device::{Computation, on_device},
        print_json, print_line,
    },
    device,
    files::write_file,
    ops::Kernels,
    systems::System,
    weights::Bundle,
};

/// The file of the folder that says what its pieces are made of, and the one that lists what could not be read.
const RECIPE: &str = "generated.json";
const SKIPPED: &str = "skipped.jsonl";
/// What stands for a caption in a template.
const CAPTION: &str = "{caption}";

/// A line of the list.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<PathBuf>,
    /// What the music is called where there is no picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

/// A piece that is to be made.
#[derive(Debug, Serialize)]
struct Item {
    #[serde(flatten)]
    line: Line,
    /// The name of its file in the folder.
    file: PathBuf,
}

/// An item whose picture cannot be read.
#[derive(Serialize)]
struct Skipped {
    file: PathBuf,
    reason: String,
}

/// Makes the music of all items of `list`.
pub(super) fn run(arguments: &Arguments, list: &Path) -> Result<()> {
    let items = read(arguments, list)?;
    let device = device::choose_with_kernels(arguments.device, arguments.kernels.as_deref())?;
    let location = bundle_location(arguments.bundle.as_deref())?;
    let bundle = pollster::block_on(Bundle::open(location))?;
    let folder = arguments.output.as_deref().unwrap_or(Path::new("."));
    prepare(arguments, folder, &items, &bundle)?;
    if !arguments.json {
        eprintln!("Making {} pieces on {device}", items.len());
    }
    let job = Job {
        arguments,
        items: &items,
        pictures: list.parent().unwrap_or(Path::new("")),
        folder,
        bundle: &bundle,
    };
    let skipped = on_device(&device, job)?;
    let lines = skipped
        .iter()
        .map(serde_json::to_string)
        .collect::<std::result::Result<Vec<_>, _>>();
    let lines = lines.map_err(|e| Error::internal(format!("a list cannot be written ({e})")))?;
    let place = folder.join(SKIPPED);
    if skipped.is_empty() {
        let _ = fs::remove_file(&place);
    } else {
        write_file(&place, (lines.join("\n") + "\n").as_bytes())?;
        eprintln!(
            "{} pictures could not be read: see {}",
            skipped.len(),
            place.display()
        );
    }
    let made = items.len() - skipped.len();
    match arguments.json {
        true => print_json(&json!({"type": "result", "pieces": made, "skipped": skipped.len()})),
        false => print_line(&format!("{made} pieces in {}", folder.display())),
    }
}

/// The items of a list, with their prompts and seeds.
fn read(arguments: &Arguments, list: &Path) -> Result<Vec<Item>> {
    let text = fs::read_to_string(list).map_err(|e| Error::file("read", list, e))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if !arguments.template.contains(CAPTION) {
        return Err(Error::input(
            "the template has no place for the caption",
            format!("write {CAPTION} where it belongs"),
        ));
    }
    let (mut items, mut names): (Vec<Item>, BTreeSet<PathBuf>) = Default::default();
    for (number, text) in text.lines().enumerate() {
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let wrong = |what: String| {
            Error::format(
                format!("line {} of {} {what}", number + 1, list.display()),
                "write a picture a line, or {\"picture\": \"a.jpg\", \"caption\": \"A quiet lake\", \"seed\": 1}",
            )
        };
        let mut line = match text.starts_with('{') {
            true => serde_json::from_str(text).map_err(|e| wrong(format!("is no item ({e})")))?,
            false => Line {
                picture: Some(text.into()),
                ..Line::default()
            },
        };
        if let Some(caption) = line.caption.take() {
            if line.prompt.is_some() {
                return Err(wrong("has both a prompt and a caption".into()));
            }
            line.prompt = Some(arguments.template.replace(CAPTION, &caption));
        }
        line.prompt = line.prompt.or_else(|| arguments.prompt.clone());
        line.comment = line.comment.or_else(|| arguments.comment.clone());
        line.seed = line.seed.or(Some(
            arguments.seed.unwrap_or(0).wrapping_add(items.len() as u64),
        ));
        let name = line
            .picture
            .clone()
            .or_else(|| line.name.clone().map(PathBuf::from));
        let name = name.ok_or_else(|| wrong("has neither a picture nor a name".into()))?;
        if arguments.no_image {
            line.picture = None;
        }
        if line.picture.is_none() && line.prompt.is_none() {
            return Err(wrong("has neither a picture nor a prompt".into()));
        }
        let file = PathBuf::from(music_of(&name).file_name().unwrap_or_default());
        if !names.insert(file.clone()) {
            return Err(wrong(format!(
                "would make {} a second time",
                file.display()
            )));
        }
        items.push(Item { line, file });
    }
    match items.is_empty() {
        false => Ok(items),
        true => Err(Error::input(
            format!("{} is empty", list.display()),
            "write a picture a line",
        )),
    }
}

/// Makes the folder, and notes what its pieces are made of; refuses one with others, unless they may be replaced.
fn prepare(arguments: &Arguments, folder: &Path, items: &[Item], bundle: &Bundle) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Error::file("create", folder, e))?;
    crate::files::remove_unfinished(folder)?;
    // What is wrong with the settings is said before anything is written.
    let first = &items[0].line;
    let settings = request(arguments, bundle, |settings| {
        settings.prompt.clone_from(&first.prompt);
        settings.comment.clone_from(&first.comment);
    })?;
    let recipe = json!({
        "model": bundle.weights_hash(),
        "settings": settings.settings,
        "samples": arguments.float,
        "items": items,
    });
    // The first item's texts and the drawn seed belong to the items.
    let mut recipe = recipe;
    for own in ["prompt", "comment", "seed"] {
        if let Some(settings) = recipe["settings"].as_object_mut() {
            settings.remove(own);
        }
    }
    let recipe = recipe.to_string();
    let place = folder.join(RECIPE);
    match fs::read_to_string(&place) {
        Ok(there) if there == recipe => return Ok(()),
        Ok(_) if !arguments.force => {
            return Err(Error::input(
                format!(
                    "{} has pieces of another list, model or settings",
                    folder.display()
                ),
                "name another folder with -o, or replace them with --force",
            ));
        }
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::file("read", &place, e));
        }
        _ => {}
    }
    for item in items {
        let path = folder.join(&item.file);
        match fs::exists(&path) {
            Ok(true) if !arguments.force => {
                return Err(Error::input(
                    format!("{} is there already", path.display()),
                    "name another folder with -o, or replace it with --force",
                ));
            }
            Ok(true) => fs::remove_file(&path).map_err(|e| Error::file("remove", &path, e))?,
            _ => {}
        }
    }
    write_file(&place, recipe.as_bytes())
}

struct Job<'a> {
    arguments: &'a Arguments,
    items: &'a [Item],
    /// The folder that pictures of the list lie in.
    pictures: &'a Path,
    folder: &'a Path,
    bundle: &'a Bundle,
}

impl Computation for Job<'_> {
    type Output = Vec<Skipped>;

    fn run<B: Kernels>(self, device: B::Device) -> Result<Vec<Skipped>> {
        let system = System::<B>::new(self.bundle.clone(), device)?;
        let bar = match self.arguments.json {
            true => ProgressBar::hidden(),
            false => ProgressBar::new(self.items.len() as u64),
        };
        let mut skipped = Vec::new();
        for Item { line, file } in self.items {
            let path = self.folder.join(file);
            bar.inc(1);
            // A file appears whole or not at all.
            if path.is_file() {
                continue;
            }
            let picture = match &line.picture {
                None => None,
                Some(picture) => match read_picture(&self.pictures.join(picture)) {
                    Ok(picture) => Some(picture),
                    Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
                    Err(error) => {
                        skipped.push(Skipped {
                            file: self.pictures.join(picture),
                            reason: error.message().to_string(),
                        });
                        continue;
                    }
                },
            };
            let request = request(self.arguments, self.bundle, |settings| {
                settings.prompt.clone_from(&line.prompt);
                settings.comment.clone_from(&line.comment);
                settings.seed = line.seed.filter(|_| system.abilities().has_seed);
            })?;
            let made = generate(&system, picture.as_ref(), &request, &mut ())?;
            let files = write_pieces(self.arguments, &path, &made, self.bundle)?;
            if self.arguments.json {
                let files: Vec<_> = files.iter().map(|path| path.to_string_lossy()).collect();
                print_json(&json!({"type": "piece", "files": files, "settings": made.settings}))?;
            }
        }
        bar.finish_and_clear();
        Ok(skipped)
    }
}
