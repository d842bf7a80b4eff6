//! `art2mus serve`: a small server for the page, its modules and bundles, on this machine only.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Component, Path, PathBuf},
};
use tiny_http::{Header, Request, Response, Server, StatusCode};

use super::print_line;
use crate::{Error, ErrorKind, Result};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The folder to serve: the repository by default.
    #[arg(long)]
    root: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let root = match &arguments.root {
        Some(root) => root.clone(),
        None if Path::new("index.html").is_file() => PathBuf::from("."),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")),
    };
    let root = root
        .canonicalize()
        .map_err(|e| Error::file("serve", &root, e))?;
    let server = Server::http(("127.0.0.1", arguments.port)).map_err(|e| {
        Error::new(
            ErrorKind::Network,
            format!("port {} cannot be used ({e})", arguments.port),
            "choose another with --port",
        )
    })?;
    let address = server.server_addr();
    print_line(&format!("Serving {} at http://{address}/", root.display()))?;
    let server = std::sync::Arc::new(server);
    // A browser opens several connections; a slow one must not hold up the others.
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (server, root) = (server.clone(), root.clone());
            std::thread::spawn(move || {
                while let Ok(request) = server.recv() {
                    // A browser that goes away in the middle of an answer is no fault.
                    let _ = answer(request, &root);
                }
            })
        })
        .collect();
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

fn answer(request: Request, root: &Path) -> std::io::Result<()> {
    let Some(path) = file_for(root, request.url()) else {
        let text = "There is no such file here.";
        return request.respond(Response::from_string(text).with_status_code(404));
    };
    let mut file = File::open(&path)?;
    let length = file.metadata()?.len();
    let range = request
        .headers()
        .iter()
        .find(|header| header.field.equiv("Range"))
        .map(|header| parse_range(header.value.as_str(), length));
    let (status, start, end) = match range {
        None => (200, 0, length),
        Some(Some((start, end))) => (206, start, end),
        Some(None) => {
            let mut response = Response::empty(416);
            add(&mut response, "Content-Range", &format!("bytes */{length}"));
            return request.respond(response);
        }
    };
    file.seek(SeekFrom::Start(start))?;
    let mut response = Response::new(
        StatusCode(status),
        Vec::new(),
        file.take(end - start),
        usize::try_from(end - start).ok(),
        None,
    )
    .with_chunked_threshold(usize::MAX);
    add(&mut response, "Content-Type", content_type(&path));
    add(&mut response, "Accept-Ranges", "bytes");
    add(&mut response, "Cache-Control", "no-cache");
    add(&mut response, "X-Content-Type-Options", "nosniff");
    if status == 206 {
        let range = format!("bytes {start}-{}/{length}", end - 1);
        add(&mut response, "Content-Range", &range);
    }
    request.respond(response)
}

fn add<R: Read>(response: &mut Response<R>, name: &str, value: &str) {
    if let Ok(header) = Header::from_bytes(name, value) {
        response.add_header(header);
    }
}

/// The file beneath `root` that an address names; never one outside, and none that is hidden.
fn file_for(root: &Path, url: &str) -> Option<PathBuf> {
    let path = url.split(['?', '#']).next()?;
    let path = percent_decode(path.strip_prefix('/')?)?;
    let path = Path::new(&path);
    let plain = |part: Component| match part {
        Component::Normal(name) => !name.to_string_lossy().starts_with('.'),
        _ => false,
    };
    if !path.components().all(plain) {
        return None;
    }
    let mut file = root.join(path).canonicalize().ok()?;
    if file.is_dir() {
        file = file.join("index.html").canonicalize().ok()?;
    }
    (file.starts_with(root) && file.is_file()).then_some(file)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains(['\0', '\\']))
}

/// One range of bytes, `start .. end`; `None` when it cannot be satisfied.
fn parse_range(text: &str, length: u64) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = if first.is_empty() {
        let count: u64 = last.parse().ok()?;
        (length.saturating_sub(count), length)
    } else {
        let start: u64 = first.parse().ok()?;
        let end = if last.is_empty() {
            length
        } else {
            last.parse::<u64>().ok()?.saturating_add(1).min(length)
        };
        (start, end)
    };
    (start < end).then_some((start, end))
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("wav") => "audio/wav",
        Some("md" | "txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges() {
        assert_eq!(parse_range("bytes=0-", 10), Some((0, 10)));
        assert_eq!(parse_range("bytes=2-4", 10), Some((2, 5)));
        assert_eq!(parse_range("bytes=2-400", 10), Some((2, 10)));
        assert_eq!(parse_range("bytes=-3", 10), Some((7, 10)));
        for bad in [
            "bytes=10-",
            "bytes=5-2",
            "items=0-1",
            "bytes=x-",
            "bytes=0-1,3-4",
        ] {
            assert_eq!(parse_range(bad, 10), None, "{bad}");
        }
    }

    #[test]
    fn stays_inside_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::write(root.join("index.html"), "page").unwrap();
        std::fs::write(root.join(".secret"), "secret").unwrap();
        assert_eq!(file_for(&root, "/?x=1"), Some(root.join("index.html")));
        assert_eq!(
            file_for(&root, "/index.html"),
            Some(root.join("index.html"))
        );
        for bad in [
            "/../etc/passwd",
            "/%2e%2e/x",
            "/.secret",
            "//etc/passwd",
            "/%00",
            "/nothing",
        ] {
            assert_eq!(file_for(&root, bad), None, "{bad}");
        }
    }
}
