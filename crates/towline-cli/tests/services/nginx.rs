//! Chains through a real nginx. `patterns/hops.sh` runs them where nginx is installed.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::demo::Demo;
use crate::hops::probe;
use crate::otel::Towlines;

/// An nginx of its own, stopped when it is dropped.
struct Nginx {
    process: Child,
    url: String,
}

impl Nginx {
    /// In front of `to`, with more directives for its one location. nginx cannot take any free port,
    /// so that it is given one that was free; another may be faster, and then it is tried again.
    fn start(folder: &Path, to: &str, more: &str) -> Self {
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            let dir = folder.join(format!("nginx-{}", address.port()));
            std::fs::create_dir_all(dir.join("logs")).unwrap();
            let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|name| format!("{name}_temp_path {}/{name};\n", dir.display()))
                .concat();
            let settings = format!(
                "daemon off;\nmaster_process off;\npid {0}/pid;\nerror_log {0}/logs/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}server {{\nlisten {address};\nlocation / {{\nproxy_pass {to};\n{more}\n}}\n}}\n}}\n",
                dir.display()
            );
            let file = dir.join("nginx.conf");
            std::fs::write(&file, settings).unwrap();
            let process = Command::new("nginx")
                .arg("-p")
                .arg(&dir)
                .arg("-c")
                .arg(&file)
                .stderr(Stdio::null())
                .spawn()
                .expect("nginx is installed: patterns/hops.sh asks");
            let url = format!("http://{address}");
            let mut nginx = Self { process, url };
            let until = Instant::now() + Duration::from_secs(10);
            while nginx.process.try_wait().unwrap().is_none() && Instant::now() < until {
                if TcpStream::connect(address).is_ok() {
                    return nginx;
                }
                std::thread::yield_now();
            }
        }
        panic!("nginx does not start");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn an_nginx_that_passes_all_on_is_not_seen_and_one_that_does_not_is_named() {
    let demo = Demo::up("nginx");
    let towlines = Towlines::of(&demo);
    for callee in ["typescript", "python", "go", "rust"] {
        let passes = Nginx::start(demo.dir(), towlines.url(callee), "");
        probe(&demo, "go", &json!([{"url": passes.url}])).exits(0);
        for (directives, code) in [
            ("proxy_set_header traceparent \"\";", "  TW-P004\n"),
            (
                "proxy_set_header traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03;",
                "  TW-P005\n",
            ),
            ("proxy_set_header raceway-clock \"\";", "  TW-P022\n"),
            ("proxy_hide_header raceway-clock;", "  TW-P031\n"),
            ("proxy_hide_header towline-hops;", "  TW-P062\n"),
            (
                "proxy_hide_header towline-hops; proxy_hide_header raceway-clock;",
                "  TW-P061\n",
            ),
        ] {
            let meddles = Nginx::start(demo.dir(), towlines.url(callee), directives);
            let ran = probe(&demo, "go", &json!([{"url": meddles.url}])).exits(1);
            assert!(
                ran.stdout.contains(code),
                "{directives} before {callee}\n{}",
                ran.stdout
            );
        }
    }
}
