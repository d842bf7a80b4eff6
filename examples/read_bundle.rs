//! Lists the stages of a bundle, and the first numbers of each stage's first tensor:
//! `cargo run --release --example read_bundle -- web/models/default`

use art2mus::{
    Result,
    weights::{Bundle, Location},
};

fn main() -> Result<()> {
    let place = std::env::args().nth(1);
    let place = place.unwrap_or_else(|| "web/models/default".into());
    let bundle = pollster::block_on(Bundle::open(Location::parse(&place)?))?;
    let manifest = bundle.manifest();
    println!("{} ({})", manifest.model.name, manifest.system);
    for stage in &manifest.stages {
        let networks: Vec<&str> = stage.networks.iter().map(|n| n.kind.as_str()).collect();
        println!("{}: {}", stage.name, networks.join(", "));
        let weights = pollster::block_on(bundle.load(&stage.name, &mut |_| ()))?;
        if let Some(tensor) = stage.tensors.first() {
            let (shape, values) = weights.tensor(&tensor.name)?;
            let first = &values[..values.len().min(3)];
            println!("  {} {shape:?} {first:?}", tensor.name);
        }
    }
    Ok(())
}
