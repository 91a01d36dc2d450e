//! Towline around services that OpenTelemetry alone instruments, in each language: the trace, the
//! parents and, by `tracestate`, the clock come through.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use towline_core::{Clock, Order};

use crate::demo::{Demo, repository};

const LANGUAGES: [&str; 4] = ["python", "go", "typescript", "rust"];
const PATIENCE: Duration = Duration::from_secs(10);

/// A service of `examples/otel`, stopped when it is dropped.
pub(crate) struct Plain {
    process: Child,
    pub(crate) url: String,
}

impl Plain {
    pub(crate) fn start(language: &str) -> Self {
        let folder = repository().join("examples/otel").join(language);
        let script = |name: &str| {
            let mut command = Command::new(folder.join(name));
            for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTEL_")) {
                command.env_remove(name);
            }
            command
        };
        assert!(script("setup.sh").status().unwrap().success(), "{language}");
        let mut process = script("start.sh")
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next().expect("it says where it listens").unwrap();
        let (_, address) = line.split_once(" listening on ").expect(&line);
        let url = format!("http://{address}");
        // What it prints later has to go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url }
    }

    /// Its spans of this trace, once the one that serves has ended: after its answer went out.
    fn spans(&self, trace_id: &str) -> Vec<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            let spans = exchange(reqwest::Method::GET, &format!("{}/spans", self.url), None);
            let spans = spans.as_array().unwrap().clone();
            let of_trace = spans
                .into_iter()
                .filter(|span| span["trace_id"] == trace_id);
            let of_trace: Vec<_> = of_trace.collect();
            if of_trace.iter().any(|span| span["kind"] == "server") {
                return of_trace;
            }
            assert!(Instant::now() < until, "no server span: {of_trace:?}");
        }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn exchange(method: reqwest::Method, url: &str, body: Option<&Value>) -> Value {
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let mut request = client.request(method, url);
    if let Some(body) = body {
        request = request
            .header("content-type", "application/json")
            .body(body.to_string());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let text = runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() });
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Where the Towline services listen.
pub(crate) struct Towlines(Vec<(String, String)>);

impl Towlines {
    pub(crate) fn of(demo: &Demo) -> Self {
        let places = demo.run(&["demo", "status", "--json"]).exits(0).json();
        let places = places["data"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self(
            places
                .map(|place| (text(&place["name"]), text(&place["url"])))
                .collect(),
        )
    }

    pub(crate) fn url(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(other, _)| other == name);
        &found.expect("all are up").1
    }
}

/// The way from a span of a service to the span that serves there: kinds, last first.
fn way_up(spans: &[Value], from: &str) -> Vec<Value> {
    let mut way = Vec::new();
    let mut id = from.to_owned();
    while let Some(span) = spans.iter().find(|span| span["span_id"] == *id) {
        way.push(span.clone());
        match span["parent_id"].as_str() {
            Some(parent) => id = parent.to_owned(),
            None => break,
        }
    }
    way
}

/// What a request through services says of them, the first one before those that it calls.
fn hops(answer: &Value) -> Vec<&Value> {
    let below = answer["calls"][0]
        .get("answer")
        .filter(|below| below.is_object());
    std::iter::once(answer)
        .chain(below.map(hops).unwrap_or_default())
        .collect()
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
}

fn clock(value: &Value) -> Clock {
    Clock::parse(text(value)).unwrap()
}

/// That what `caller` sent came to `callee` through plain services alone, and was understood.
fn assert_passed(caller: &Value, callee: &Value, between: &[&Plain]) {
    let trace_id = text(&caller["trace_id"]);
    assert_eq!(callee["trace_id"], trace_id);
    // The parents, from the callee's up to the caller's client span.
    let mut parent = text(&callee["parent_id"]).to_owned();
    for plain in between.iter().rev() {
        let way = way_up(&plain.spans(trace_id), &parent);
        let (client, server) = (way.first().expect("its client span"), way.last().unwrap());
        assert_eq!(
            (&client["kind"], &server["kind"]),
            (&json!("client"), &json!("server"))
        );
        parent = text(&server["parent_id"]).to_owned();
    }
    assert_eq!(caller["calls"][0]["span_id"], *parent);

    // The clock came in `tracestate` alone, and the gap is marked.
    let received = &callee["receivedHeaders"];
    assert_eq!(received.get("raceway-clock"), None, "{received}");
    assert!(
        text(&received["tracestate"]).starts_with("towline="),
        "{received}"
    );
    let sent = clock(&caller["calls"][0]["sentHeaders"]["raceway-clock"]);
    let reached = clock(&callee["clock"]);
    assert!(reached.as_str().contains(";g"), "{reached}");
    assert_eq!(reached.hops().len(), sent.hops().len() + 1, "{reached}");
    assert_eq!(sent.compare(&reached), Order::Before, "{sent} {reached}");
}

#[test]
fn a_plain_service_passes_on_trace_parents_and_clock() {
    let demo = Demo::up("otel");
    let towlines = Towlines::of(&demo);
    for (nth, language) in LANGUAGES.iter().enumerate() {
        let plain = Plain::start(language);
        // Each Towline port is once before and once behind a plain service.
        let others = ["typescript", "python", "go", "rust"];
        let (first, last) = (others[nth], others[(nth + 1) % others.len()]);
        let body = json!({"payload": "p", "calls": [
            {"url": plain.url, "calls": [{"url": towlines.url(last)}]},
            {"url": towlines.url(last)},
        ]});
        let url = format!("{}/process", towlines.url(first));
        let answer = exchange(reqwest::Method::POST, &url, Some(&body));
        let seen = hops(&answer);
        let names: Vec<_> = seen.iter().map(|hop| text(&hop["service"])).collect();
        assert_eq!(
            names,
            [first, &format!("otel-{language}"), last],
            "{answer}"
        );
        assert_passed(seen[0], seen[2], &[&plain]);
        // No clock came back: of what comes after, it is not claimed that it knows of the callee.
        let (reached, later) = (&seen[2]["clock"], &answer["calls"][1]["answer"]["clock"]);
        let order = clock(reached).compare(&clock(later));
        assert_eq!(order, Order::Unknown, "{reached} {later}");
    }
}

#[test]
fn chains_that_mix_them_keep_the_clock_from_one_towline_service_to_the_next() {
    let demo = Demo::up("otel-mixed");
    let towlines = Towlines::of(&demo);
    let plains = LANGUAGES.map(Plain::start);
    let [python, go, typescript, rust] = &plains;
    // Two plain services on end, then one Towline, and two others.
    let services = [
        &*python.url,
        &*go.url,
        towlines.url("rust"),
        &*typescript.url,
        &*rust.url,
        towlines.url("python"),
    ];
    let calls = services.iter().rev().fold(
        json!([]),
        |below, url| json!([{"url": url, "calls": below}]),
    );
    let url = format!("{}/process", towlines.url("typescript"));
    let body = json!({"payload": "p", "calls": calls});
    let answer = exchange(reqwest::Method::POST, &url, Some(&body));
    let seen = hops(&answer);
    assert_eq!(seen.len(), 7, "{answer}");
    assert_passed(seen[0], seen[3], &[python, go]);
    assert_passed(seen[3], seen[6], &[typescript, rust]);
    // Both gaps are in the last clock, which goes on from the first service's strand.
    let last = clock(&seen[6]["clock"]);
    assert_eq!(last.hops().len(), 3, "{last}");
    assert_eq!(last.as_str().matches(";g").count(), 2, "{last}");
    let first = clock(&seen[0]["calls"][0]["sentHeaders"]["raceway-clock"]);
    assert_eq!(first.compare(&last), Order::Before, "{first} {last}");
}
