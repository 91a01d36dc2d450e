//! A thousand hostile requests of more than thirty kinds to each service: none is answered 5xx, no
//! service restarts or grows, and what was refused is counted by its reason.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::Value;
use towline_probe::{Head, Hostile, hostile};

use crate::demo::Demo;

/// How often each kind is sent before memory is looked at first: caches, pools and the young
/// generation of a heap fill, which is two thousand requests.
const WARM_UP: usize = 48;
/// How many requests each service then gets, at least.
const REQUESTS: usize = 1000;
/// How much a service may grow in them, in KiB: what keeps 16 KiB of each request shows.
const GROWTH_KIB_MAX: u64 = 16 << 10;

struct Service {
    name: String,
    pid: u64,
    host: String,
}

fn services(demo: &Demo) -> Vec<Service> {
    let places = demo.run(&["demo", "status", "--json"]).exits(0).json();
    let services = places["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| Service {
            name: place["name"].as_str().unwrap().to_owned(),
            pid: place["pid"].as_u64().unwrap(),
            host: place["url"]
                .as_str()
                .unwrap()
                .strip_prefix("http://")
                .unwrap()
                .to_owned(),
        });
    services.collect()
}

impl Service {
    /// Resident memory, in KiB.
    fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }

    /// Sends one request; the status, where there is an answer.
    fn send(&self, kind: &Hostile) -> Option<u16> {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        // It may refuse before it has read all, and close.
        let _ = stream.write_all(&kind.request);
        if kind.breaks_off {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => answer.extend_from_slice(&chunk[..read]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    panic!("{} neither answers nor closes: {}", self.name, kind.name)
                }
                Err(_) => break,
            }
        }
        Head::read(&answer).status()
    }

    fn status(&self) -> Value {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        let request = format!(
            "GET /.well-known/towline HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.host
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.to_ascii_lowercase()
                .contains("cache-control: no-store"),
            "{head}"
        );
        serde_json::from_str(unchunked(head, body))
            .unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}

/// The JSON of a body, whose one chunk may have its length around it.
fn unchunked<'a>(head: &str, body: &'a str) -> &'a str {
    if head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        let from = body.find('{').unwrap();
        let to = body.rfind('}').unwrap();
        return &body[from..=to];
    }
    body
}

/// How often a reason was counted.
fn count(status: &Value, (counter, reason): (&str, &str)) -> u64 {
    status["counters"][counter][reason].as_u64().unwrap_or(0)
}

#[test]
fn a_thousand_hostile_requests_do_no_harm_and_are_counted() {
    let demo = Demo::up("hostile");
    let mut harm = String::new();
    let before = services(&demo);
    for service in &before {
        let kinds = hostile(&service.host);
        assert!(kinds.len() >= 30);
        for kind in kinds.iter().cycle().take(WARM_UP * kinds.len()) {
            service.send(kind);
        }
        let (status, memory) = (service.status(), service.memory_kib());
        let rounds = REQUESTS.div_ceil(kinds.len());
        let mut taken: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        let mut worst: BTreeMap<&str, u16> = BTreeMap::new();
        for _ in 0..rounds {
            for kind in hostile(&service.host) {
                match (service.send(&kind), kind.counted) {
                    (Some(answered @ 500..), _) => drop(worst.insert(kind.name, answered)),
                    // What the server itself refused was never read.
                    (Some(200), Some(counted)) => *taken.entry(counted).or_default() += 1,
                    _ => {}
                }
            }
        }
        let (status_after, memory_after) = (service.status(), service.memory_kib());
        for (kind, answered) in worst {
            harm += &format!("{}: {kind} is answered {answered}\n", service.name);
        }
        let grown = memory_after.saturating_sub(memory);
        println!(
            "{}: {memory} KiB before, {memory_after} KiB after {} requests",
            service.name,
            rounds * kinds.len()
        );
        if grown > GROWTH_KIB_MAX {
            harm += &format!("{}: grew by {grown} KiB\n", service.name);
        }
        assert!(
            status_after["uptime_ms"].as_u64() >= status["uptime_ms"].as_u64(),
            "{} restarted",
            service.name
        );
        assert_eq!(taken.len(), 11, "{}: {taken:?}", service.name);
        for (counted, sent) in taken {
            let counts = count(&status_after, counted) - count(&status, counted);
            if counts < sent {
                harm += &format!(
                    "{}: {sent} sent, {counts} counted as {counted:?}\n",
                    service.name
                );
            }
        }
    }
    let pids = |services: &[Service]| {
        services
            .iter()
            .map(|service| service.pid)
            .collect::<Vec<_>>()
    };
    assert_eq!(pids(&services(&demo)), pids(&before));
    assert!(harm.is_empty(), "{harm}");
}
