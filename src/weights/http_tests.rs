//! Tests of the client, against servers that behave badly.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use super::*;

type Answer = Box<dyn FnOnce(&mut TcpStream) + Send>;

/// Answers the requests to come with `answers`, one after the other, and gives back what was asked.
fn server(answers: Vec<Answer>) -> (Address, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!(
        "http://{}/bundle/?sig=a%2Fb",
        listener.local_addr().unwrap()
    );
    let asked = thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") {
                lines.read_line(&mut head).unwrap();
            }
            asked.push(head);
            answer(&mut stream);
        }
        asked
    });
    (Address::parse(&address), asked)
}

fn answer(head: &str, body: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n");
    let bytes = [head.as_bytes(), body].concat();
    Box::new(move |stream| stream.write_all(&bytes).unwrap())
}

fn get(address: &Address, limit: u64) -> Result<Vec<u8>> {
    const SOON: [Duration; 2] = [Duration::ZERO; 2];
    let client = Client::new(Duration::from_millis(300), &SOON);
    client.get(&address.file("000.bin"), limit, &mut |_| ())
}

#[test]
fn a_query_belongs_to_every_file() {
    for (given, file) in [
        ("https://a.org/b", "https://a.org/b/c.bin"),
        ("https://a.org/b/", "https://a.org/b/c.bin"),
        (
            "https://a.org/b/?sig=x/y&z",
            "https://a.org/b/c.bin?sig=x/y&z",
        ),
        (
            "https://a.org/b/manifest.json?sig=x#top",
            "https://a.org/b/c.bin?sig=x",
        ),
    ] {
        assert_eq!(Address::parse(given).file("c.bin"), file);
    }
    let (address, asked) = server(vec![answer("200 OK\r\nContent-Length: 2", b"ab")]);
    assert_eq!(get(&address, 10).unwrap(), b"ab");
    assert!(asked.join().unwrap()[0].starts_with("GET /bundle/000.bin?sig=a%2Fb "));
}

#[test]
fn a_broken_download_goes_on_where_it_broke() {
    let (address, asked) = server(vec![
        answer("503 Busy\r\nContent-Length: 0", b""),
        answer("200 OK\r\nContent-Length: 6", b"abc"),
        answer(
            "206 Partial\r\nContent-Range: bytes 3-5/6\r\nContent-Length: 3",
            b"def",
        ),
    ]);
    assert_eq!(get(&address, 10).unwrap(), b"abcdef");
    let asked = asked.join().unwrap();
    assert!(
        asked[2].to_lowercase().contains("range: bytes=3-"),
        "{}",
        asked[2]
    );
}

#[test]
fn a_server_without_parts_sends_the_whole_again() {
    let (address, _asked) = server(vec![
        answer("200 OK\r\nContent-Length: 6", b"abc"),
        answer("200 OK\r\nContent-Length: 6", b"abcdef"),
    ]);
    assert_eq!(get(&address, 10).unwrap(), b"abcdef");
}

#[test]
fn a_silent_server_is_not_waited_for() {
    let silent = || -> Answer {
        Box::new(|stream| {
            // Until the client goes away.
            let _ = stream.read(&mut [0]);
        })
    };
    let (address, _asked) = server(vec![silent(), silent(), silent()]);
    let error = get(&address, 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
}

#[test]
fn what_is_no_file_is_told() {
    for (head, body, kind, expected) in [
        (
            "200 OK",
            &b"<!DOCTYPE html><p>Sign in"[..],
            ErrorKind::Format,
            "a web page",
        ),
        ("404 Not Found", b"", ErrorKind::Network, "there is no http"),
        (
            "403 Forbidden",
            b"",
            ErrorKind::Network,
            "does not give out",
        ),
        ("200 OK", b"0123456789abc", ErrorKind::Limits, "longer than"),
    ] {
        let head = format!("{head}\r\nContent-Length: {}", body.len());
        let (address, _asked) = server(vec![answer(&head, body)]);
        let error = get(&address, 10).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// Servers that compress whatever is asked for.
#[test]
fn compressed_answers_are_read() {
    // `printf abc | gzip -n`
    let abc = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 0x4c, 0x4a, 6, 0, 0xc2, 0x41, 0x24, 0x35, 3, 0,
        0, 0,
    ];
    let head = format!(
        "200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}",
        abc.len()
    );
    let (address, _asked) = server(vec![answer(&head, &abc)]);
    assert_eq!(get(&address, 10).unwrap(), b"abc");
}

/// A server that begins a file and then says nothing is asked for the rest.
#[test]
fn a_server_that_falls_silent_is_asked_for_the_rest() {
    let half: Answer = Box::new(|stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc";
        stream.write_all(head.as_bytes()).unwrap();
        let _ = stream.read(&mut [0]);
    });
    let rest = "206 Partial\r\nContent-Range: bytes 3-5/6\r\nContent-Length: 3";
    let (address, asked) = server(vec![half, answer(rest, b"def")]);
    assert_eq!(get(&address, 10).unwrap(), b"abcdef");
    let asked = asked.join().unwrap();
    assert!(
        asked[1].to_lowercase().contains("range: bytes=3-"),
        "{}",
        asked[1]
    );
}

/// A server that sends other parts than those that are missing: nothing of them is kept.
#[test]
fn parts_that_were_not_asked_for_are_not_joined() {
    let part = |range: &str, body: &[u8]| {
        let length = body.len();
        let head =
            format!("206 Partial\r\nContent-Range: bytes {range}\r\nContent-Length: {length}");
        answer(&head, body)
    };
    let (address, _asked) = server(vec![
        answer("200 OK\r\nContent-Length: 6", b"abc"),
        part("0-2/6", b"abc"),
        answer("200 OK\r\nContent-Length: 6", b"abcdef"),
    ]);
    assert_eq!(get(&address, 10).unwrap(), b"abcdef");
}

/// Signing in somewhere else, as captive portals do.
#[test]
fn a_redirection_to_a_page_is_told_and_one_to_a_file_followed() {
    for (body, expected) in [
        (&b"<html><body>Sign in"[..], None),
        (b"\n <HTML lang=en>", None),
        (b"abc", Some(b"abc")),
    ] {
        let head = format!("200 OK\r\nContent-Length: {}", body.len());
        let (address, asked) = server(vec![
            answer(
                "302 Found\r\nLocation: /login?next=b\r\nContent-Length: 0",
                b"",
            ),
            answer(&head, body),
        ]);
        match (get(&address, 100), expected) {
            (Ok(found), Some(expected)) => assert_eq!(found, expected),
            (Err(error), None) => assert!(error.to_string().contains("a web page"), "{error}"),
            (found, _) => panic!("{found:?}"),
        }
        assert!(asked.join().unwrap()[1].starts_with("GET /login?next=b "));
    }
}
