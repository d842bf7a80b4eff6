//! The program `art2mus`.

fn main() -> std::process::ExitCode {
    art2mus::cli::run()
}
