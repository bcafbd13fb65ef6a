//! Pages over HTTP as whoever watches a program gets them, and figures as a parser of Prometheus reads them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use ovsdb_testkit::sandbox::Sandbox;
use prometheus_parse::{Scrape, Value};

/// What follows the first line of a request.
const GET: &str = "Host: x\r\nConnection: close\r\n\r\n";

/// The status and the text of an answer.
pub(crate) fn ask(mut stream: impl Read + Write, path: &str) -> (String, String) {
    let request = format!("GET {path} HTTP/1.1\r\n{GET}");
    stream
        .write_all(request.as_bytes())
        .expect("somebody who reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, text) = answer
        .split_once("\r\n\r\n")
        .expect("a head and what follows it");
    let status = head.lines().next().unwrap_or_default();
    let status = status.trim_start_matches("HTTP/1.1 ");
    (status.to_owned(), text.to_owned())
}

/// The same of whoever serves pages on `http.sock`.
pub(crate) fn get(sandbox: &Sandbox, path: &str) -> (String, String) {
    let socket = sandbox.path("http.sock");
    ask(UnixStream::connect(socket).expect("a server"), path)
}

/// The page, with its samples by name and labels.
pub(crate) struct Page {
    pub(crate) text: String,
    pub(crate) samples: BTreeMap<String, f64>,
}

impl Page {
    /// That of whoever serves pages on `http.sock`.
    pub(crate) fn of(sandbox: &Sandbox) -> Page {
        let (status, text) = get(sandbox, "/metrics");
        assert_eq!(status, "200 OK", "{text}");
        Page::parse(text)
    }

    /// Reads a page.
    pub(crate) fn parse(text: String) -> Page {
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        let scrape = Scrape::parse(lines).expect("lines that can be read");
        let mut samples = BTreeMap::new();
        for sample in scrape.samples {
            let mut labels: Vec<_> = sample.labels.iter().collect();
            labels.sort();
            let labels = labels
                .iter()
                .map(|(name, value)| format!("{name}={value:?}"));
            let labels = labels.collect::<Vec<_>>().join(",");
            let name = match labels.is_empty() {
                true => sample.metric,
                false => format!("{}{{{labels}}}", sample.metric),
            };
            let value = match sample.value {
                Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => value,
                // The last bound is above everything.
                Value::Histogram(buckets) => buckets.last().map_or(0.0, |last| last.count),
                Value::Summary(_) => panic!("there is no summary: {name}"),
            };
            let before = samples.insert(name.clone(), value);
            assert_eq!(before, None, "{name} is there twice");
        }
        Page { text, samples }
    }

    #[track_caller]
    /// The value of a sample.
    pub(crate) fn value(&self, name: &str) -> f64 {
        let value = self.samples.get(name);
        *value.unwrap_or_else(|| panic!("no {name} in\n{}", self.text))
    }
}
