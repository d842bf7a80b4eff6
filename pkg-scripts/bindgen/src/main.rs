//! `art2mus-bindgen MODULE FOLDER`: writes the ES module for browsers that belongs to a compiled
//! WebAssembly module, as `art2mus.js` and `art2mus_bg.wasm`.

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, folder] = arguments.as_slice() else {
        eprintln!("usage: art2mus-bindgen MODULE FOLDER");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(module)
        .out_name("art2mus")
        .typescript(true)
        // As the command does: the module finds its `.wasm` file by itself.
        .omit_default_module_path(false)
        .remove_name_section(true)
        .remove_producers_section(true);
    let written = bindgen
        .web(true)
        .and_then(|bindgen| bindgen.generate(folder));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("art2mus-bindgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}
