//! The texts of `kernels/`.

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        /// Name without `.wgsl`, and text.
        const SOURCES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../kernels/", $name, ".wgsl")))),*];
    };
}

sources![
    "activation",
    "attention",
    "attention_bindings",
    "attention_tiled",
    "block_scale",
    "conv2d",
    "conv2d_tiled",
    "conv_transpose1d",
    "depthwise_conv1d",
    "group_norm",
    "layer_norm",
    "linear",
    "linear_panels",
    "linear_tiled",
    "lstm",
    "pack_panels",
    "store_output",
    "tile",
    "unpack",
    "winograd_input",
    "winograd_output",
    "winograd_product",
    "winograd_weight",
    "workgroup_reduction",
];

/// The text of the kernel `name`.
///
/// # Panics
///
/// When there is none: tests expand every kernel.
pub(super) fn text(name: &str) -> &'static str {
    let found = SOURCES.iter().find(|(other, _)| *other == name);
    found.map_or_else(|| panic!("there is no kernel {name}"), |(_, text)| text)
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::SOURCES;

    #[test]
    fn every_file_is_listed() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let listed: Vec<String> = SOURCES
            .iter()
            .map(|(name, _)| format!("{name}.wgsl"))
            .collect();
        assert_eq!(files, listed);
    }
}
