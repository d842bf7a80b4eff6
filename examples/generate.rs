//! Makes a piece of music from a picture with the default model:
//! `cargo run --release --example generate -- web/gallery/01.jpg music.wav`

use art2mus::{
    Error, Result,
    audio::wav,
    image,
    ops::Cpu,
    pipeline::{Event, Observer},
    systems::{Request, Settings, System},
    weights::{Bundle, Location},
};

/// Prints the stages as they begin.
struct Printer;

impl Observer for Printer {
    fn event(&mut self, event: Event) {
        if let Event::Stage { stage, .. } = event {
            eprintln!("{stage}");
        }
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(picture), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err(Error::input(
            "two files are needed",
            "name a picture and a WAV file",
        ));
    };
    let bytes = std::fs::read(&picture).map_err(|e| Error::file("read", picture.as_ref(), e))?;
    let picture = image::decode(&bytes)?;
    let location = Location::Folder("web/models/default".into());
    let bundle = pollster::block_on(Bundle::open(location))?;

    let system = System::<Cpu>::new(bundle, Default::default())?;
    let request = Request::new(system.complete(&Settings::default(), 1)?);
    let music = pollster::block_on(system.generate(&picture, &request, &mut Printer))?;

    if let Some(piece) = music.pieces.first() {
        let metadata = music.metadata(&system.bundle().manifest().model.name, piece)?;
        let bytes = wav::encode(
            &piece.samples,
            music.sample_rate as u32,
            wav::Sample::Integer,
            &metadata,
        )?;
        std::fs::write(&target, bytes).map_err(|e| Error::file("write", target.as_ref(), e))?;
        println!("{target}: {} samples", piece.samples.len());
    }
    Ok(())
}
