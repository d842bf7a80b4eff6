//! Addresses in `exhibit.json`, read as browsers read them (the URL standard), as far as files and hosts go.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::path::{Component, Path, PathBuf};

/// Where an address leads.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    /// A path from the folder of the file that holds the address.
    Beside(PathBuf),
    /// A path from the server's first folder.
    FromRoot(PathBuf),
    /// Another host.
    Host(String),
    /// An address of another kind than http, such as `data`.
    Scheme(String),
}

/// Reads an address; nothing where a browser would find none.
pub(super) fn parse(text: &str) -> Option<Target> {
    let blank = |c: char| c <= ' ';
    let text: String = text
        .trim_matches(blank)
        .chars()
        .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
        .collect();
    if let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) {
        let scheme = scheme.to_ascii_lowercase();
        return match scheme.as_str() {
            "http" | "https" => host(rest.trim_start_matches(['/', '\\'])).map(Target::Host),
            _ => Some(Target::Scheme(scheme)),
        };
    }
    let is_slash = |c: char| matches!(c, '/' | '\\');
    if text.chars().take(2).filter(|c| is_slash(*c)).count() == 2 {
        return host(text.trim_start_matches(is_slash)).map(Target::Host);
    }
    // A query says something to a server, and nothing of the file.
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let path = PathBuf::from(decode(&path.replace('\\', "/")));
    Some(match path.strip_prefix("/") {
        Ok(beneath) => Target::FromRoot(beneath.into()),
        Err(_) => Target::Beside(path),
    })
}

/// A path from `folder` with `.` and `..` worked out, which do not follow links.
pub(super) fn join(folder: &Path, path: &Path) -> PathBuf {
    let mut full = folder.to_path_buf();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                full.pop();
            }
            Component::Normal(name) => full.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    full
}

/// What means something in an address.
const MEANT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'!')
    .remove(b',')
    .remove(b'(')
    .remove(b')')
    .remove(b'\'')
    .remove(b'@')
    .remove(b'/');

/// A file's name as an address: what means something there is encoded.
pub(super) fn encode(name: &str) -> String {
    utf8_percent_encode(name, MEANT).to_string()
}

fn is_scheme(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// The host at the beginning of `text`, if it is one.
fn host(text: &str) -> Option<String> {
    let authority = text.split(['/', '\\', '?', '#']).next()?;
    let authority = authority.rsplit('@').next()?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    };
    if !port.is_empty() && port.parse::<u16>().is_err() {
        return None;
    }
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']')?;
        return inner
            .parse::<std::net::Ipv6Addr>()
            .is_ok()
            .then(|| host.into());
    }
    let decoded = decode(host);
    let forbidden = |c: char| c <= ' ' || "#/:<>?@[\\]^|%\u{7f}".contains(c);
    if decoded.is_empty() || decoded.contains(forbidden) {
        return None;
    }
    // What ends with a number has to be four of them.
    let labels = decoded.trim_end_matches('.').split('.');
    let is_number = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit());
    if labels.clone().next_back().is_some_and(is_number) {
        let four = labels.clone().count() <= 4;
        let fits = labels
            .clone()
            .all(|label| is_number(label) && label.parse::<u8>().is_ok());
        return (four && fits).then_some(decoded);
    }
    Some(decoded)
}

/// The text with `%41` as `A`; what is not encoded stays.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_where_browsers_go() {
        let beside = |path: &str| Some(Target::Beside(path.into()));
        let root = |path: &str| Some(Target::FromRoot(path.into()));
        let at = |host: &str| Some(Target::Host(host.into()));
        let kind = |scheme: &str| Some(Target::Scheme(scheme.into()));
        for (text, expected) in [
            ("a.jpg", beside("a.jpg")),
            (" a%20b.jpg?v=2#top ", beside("a b.jpg")),
            ("../50%.png", beside("../50%.png")),
            ("..\\a.jpg", beside("../a.jpg")),
            ("model/?sig=x", beside("model/")),
            ("/a/b.jpg", root("a/b.jpg")),
            ("https://iiif.example/1", at("iiif.example")),
            ("HTTP:\\\\me@iiif.example:8080", at("iiif.example")),
            ("//cdn.example/a.jpg", at("cdn.example")),
            ("http://[::1]:80/", at("[::1]")),
            ("http://10.0.0.1/", at("10.0.0.1")),
            ("data:image/png;base64,AA", kind("data")),
            ("C:\\a.jpg", kind("c")),
            ("http://[", None),
            ("http://", None),
            ("//", None),
            ("http://a b/", None),
            ("http://a:port/", None),
            ("http://a:99999/", None),
            ("http://1.2.3.999/", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn names_come_back_from_their_addresses() {
        for name in [
            "a b.jpg",
            "50%.png",
            "what?.png",
            "a#1.png",
            "c:d.png",
            "é.jpg",
            "a&b+c.png",
        ] {
            assert_eq!(parse(&encode(name)), Some(Target::Beside(name.into())));
        }
    }

    #[test]
    fn paths_are_worked_out() {
        let full = join(
            Path::new("/srv/show"),
            Path::new("../pictures/./a/../b.jpg"),
        );
        assert_eq!(full, Path::new("/srv/pictures/b.jpg"));
    }
}
