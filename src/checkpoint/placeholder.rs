//! What lies where a downloaded file should lie, and is not that file.

use std::path::Path;

use crate::Error;

/// An error if `bytes`, the beginning of the file `path`, are those of a Git LFS pointer or of a web page.
pub fn placeholder(bytes: &[u8], path: &Path) -> Option<Error> {
    let start = bytes.trim_ascii_start();
    let begins = |with: &str| {
        start
            .get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    if begins("version https://git-lfs.github.com/spec/") {
        return Some(Error::format(
            format!(
                "{} is a Git LFS pointer, not the file that it stands for",
                path.display()
            ),
            "run git lfs pull in its folder, or download the file itself",
        ));
    }
    let page = ["<!doctype html", "<html", "<head", "<?xml"];
    page.iter().any(|&tag| begins(tag)).then(|| {
        Error::format(
            format!(
                "{} is a web page, not the file that was to be downloaded",
                path.display()
            ),
            "download the file itself; its server may want you to sign in first",
        )
    })
}
