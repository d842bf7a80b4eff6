//! Files of a bundle from a server, with a blocking client: it waits for no silent server, goes on where a connection
//! broke, and says what came instead of a file.

use std::{io::Read, sync::OnceLock, thread::sleep, time::Duration};

use ureq::{
    Agent,
    http::{Response, header},
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::location::too_long;
use crate::{Error, ErrorKind, Result};

/// A server that says nothing for so long is asked again.
const STALL: Duration = Duration::from_secs(30);

/// Pauses before the further attempts.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// The address of a bundle's folder. A query (a signature, say) belongs to every file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    folder: String,
    query: String,
}

impl Address {
    /// From what a person gives; the address of the manifest is that of its folder.
    pub fn parse(text: &str) -> Self {
        let text = text.split('#').next().unwrap_or_default();
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (text, String::new()),
        };
        let folder = path.trim_end_matches('/');
        let folder = folder.strip_suffix("/manifest.json").unwrap_or(folder);
        Self {
            folder: folder.to_string(),
            query,
        }
    }

    /// The address of the file `name` there.
    fn file(&self, name: &str) -> String {
        format!("{}/{name}{}", self.folder, self.query)
    }
}

/// Reads the file `name` of at most `limit` bytes; `progress` is told how many have arrived.
pub fn get(
    address: &Address,
    name: &str,
    limit: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<u8>> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT
        .get_or_init(|| Client::new(STALL, &PAUSES))
        .get(&address.file(name), limit, progress)
}

struct Client {
    agent: Agent,
    pauses: &'static [Duration],
}

/// What became of one attempt.
enum Attempt {
    Done,
    /// Worth another one.
    Broken(String),
}

impl Client {
    fn new(stall: Duration, pauses: &'static [Duration]) -> Self {
        let config = Agent::config_builder()
            .timeout_connect(Some(stall))
            .timeout_recv_response(Some(stall))
            .timeout_per_read(Some(stall))
            .http_status_as_error(false)
            // Lengths are those of the files.
            .accept_encoding("identity")
            .tls_config(TlsConfig::builder().root_certs(root_certificates()).build())
            .build();
        Self {
            agent: config.into(),
            pauses,
        }
    }

    fn get(&self, url: &str, limit: u64, progress: &mut dyn FnMut(u64)) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut pauses = self.pauses.iter();
        loop {
            let why = match self.attempt(url, limit, &mut bytes, progress)? {
                Attempt::Done => return Ok(bytes),
                Attempt::Broken(why) => why,
            };
            match pauses.next() {
                Some(pause) => sleep(*pause),
                None => {
                    return Err(network(
                        format!("cannot fetch {url} ({why})"),
                        "check the address and the connection, and try again",
                    ));
                }
            }
        }
    }

    /// Reads on behind `bytes`, or from the beginning where the server sends that.
    fn attempt(
        &self,
        url: &str,
        limit: u64,
        bytes: &mut Vec<u8>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Attempt> {
        let mut request = self.agent.get(url);
        if !bytes.is_empty() {
            request = request.header(header::RANGE, format!("bytes={}-", bytes.len()));
        }
        let response = match request.call() {
            Ok(response) => response,
            Err(ureq::Error::BadUri(why)) => {
                return Err(Error::input(
                    format!("{url} is no address ({why})"),
                    "give one that begins with https:// or http://",
                ));
            }
            Err(e) => return Ok(Attempt::Broken(e.to_string())),
        };
        let status = response.status().as_u16();
        match status {
            206 if begins_at(&response, bytes.len()) => {}
            // The whole file again.
            200 => bytes.clear(),
            // A part that was not asked for, or one that is not there: from the beginning.
            206 | 416 if !bytes.is_empty() => {
                bytes.clear();
                return Ok(Attempt::Broken(
                    "it sends other parts than were asked for".into(),
                ));
            }
            408 | 429 | 500..=599 => return Ok(Attempt::Broken(format!("status {status}"))),
            _ => return Err(refused(url, status)),
        }
        let encoding = response.headers().get(header::CONTENT_ENCODING);
        let plain =
            encoding.is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
        let mut reader = response.into_body().into_reader();
        let mut part = vec![0; 1 << 16];
        loop {
            let n = match reader.read(&mut part) {
                Ok(n) => n,
                Err(e) => {
                    // Parts of what was decompressed cannot be asked for.
                    if !plain {
                        bytes.clear();
                    }
                    return Ok(Attempt::Broken(e.to_string()));
                }
            };
            if n == 0 {
                return Ok(Attempt::Done);
            }
            let first = bytes.is_empty();
            bytes.extend_from_slice(&part[..n]);
            if first && is_web_page(bytes) {
                return Err(Error::format(
                    format!("{url} is answered with a web page, not with a file of a bundle"),
                    "open it in a browser: it may want you to sign in, or the address may be that of a page about the bundle",
                ));
            }
            if bytes.len() as u64 > limit {
                return Err(too_long(url, limit));
            }
            progress(bytes.len() as u64);
        }
    }
}

/// Whether the answer's `Content-Range` begins at `start`.
fn begins_at<B>(response: &Response<B>, start: usize) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE);
    let range = range.and_then(|range| {
        range
            .to_str()
            .ok()?
            .strip_prefix("bytes ")?
            .split('-')
            .next()
    });
    range.is_some_and(|first| first.parse() == Ok(start))
}

fn is_web_page(bytes: &[u8]) -> bool {
    let start = bytes[..bytes.len().min(1024)].trim_ascii_start();
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    ["<!doctype html", "<html", "<head"]
        .iter()
        .any(|tag| start.starts_with(tag))
}

fn refused(url: &str, status: u16) -> Error {
    match status {
        401 | 403 | 407 => network(
            format!("the server does not give out {url} (status {status})"),
            "check that the address is complete, with its signature if it has one, and that you may read it",
        ),
        404 | 410 => network(
            format!("there is no {url} (status {status})"),
            "give the address of the folder that holds the bundle's manifest.json",
        ),
        _ => network(
            format!("cannot fetch {url} (status {status})"),
            "check the address",
        ),
    }
}

fn network(message: String, hint: &str) -> Error {
    Error::new(ErrorKind::Network, message, hint)
}

/// The system's certificates, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name; Mozilla's where there are none.
fn root_certificates() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    let certificates: Vec<_> = found
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect();
    match certificates.is_empty() {
        true => RootCerts::WebPki,
        false => RootCerts::new_with_certs(&certificates),
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
