//! What was started is stopped, and nothing else.

use serde_json::Value;

use crate::demo::Demo;

fn pids(document: &Value) -> Vec<u64> {
    document["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|place| place["pid"].as_u64())
        .collect()
}

#[test]
fn services_start_are_used_and_stop() {
    let demo = Demo::new("lifecycle");
    assert!(
        demo.run(&["demo", "down"])
            .exits(0)
            .stdout
            .starts_with("nothing to stop")
    );
    let up = demo
        .run(&["demo", "up", "--free-ports", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&up["schema"], &up["total"]),
        (&"towline.demo/1".into(), &4.into())
    );
    assert_eq!(up["failures"], Value::Array(Vec::new()));
    let instances: Vec<&str> = up["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| place["instance"].as_str().unwrap())
        .collect();
    assert_eq!(instances, ["ts-1", "py-1", "go-1", "rust-1"]);

    // A second `up` finds them, whatever their ports.
    let again = demo
        .run(&["demo", "up", "--free-ports", "--json"])
        .exits(0)
        .json();
    assert_eq!(pids(&again), pids(&up));
    assert_eq!(
        pids(&demo.run(&["demo", "status", "--json"]).exits(0).json()),
        pids(&up)
    );

    // A run that finds them up leaves them up.
    demo.run(&[
        "demo",
        "run",
        "--",
        "typescript",
        "--chain",
        "python,go,rust",
    ])
    .exits(0);
    // One with instances of its own stops those alone.
    demo.run(&["demo", "run", "--free-ports", "--", "go", "--chain", "rust"])
        .exits(0);
    assert_eq!(
        pids(&demo.run(&["demo", "status", "--json"]).exits(0).json()),
        pids(&up)
    );

    for log in [
        "ts-service.log",
        "py-service.log",
        "go-service.log",
        "rust-service.log",
    ] {
        let text = std::fs::read_to_string(demo.dir().join("logs").join(log)).unwrap();
        assert!(text.contains(" listening on 127.0.0.1:"), "{log}: {text}");
    }
    let down = demo.run(&["demo", "down", "--json"]).exits(0).json();
    let (mut stopped, mut started) = (pids(&down), pids(&up));
    stopped.sort_unstable();
    started.sort_unstable();
    assert_eq!(stopped, started);
    for pid in started {
        let ps = std::process::Command::new("ps")
            .args(["-o", "state=", "-p", &pid.to_string()])
            .output()
            .unwrap();
        assert!(
            ps.stdout.is_empty() || ps.stdout.starts_with(b"Z"),
            "{pid} runs"
        );
    }
}

#[test]
fn one_service_alone_can_be_stopped() {
    let demo = Demo::new("one");
    demo.run(&["demo", "up", "--free-ports", "--only", "go,rust"])
        .exits(0);
    let down = demo
        .run(&["demo", "down", "--only", "go", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&down["total"], &down["data"][0]["name"]),
        (&1.into(), &"go".into())
    );
    let status = demo
        .run(&["demo", "status", "--only", "rust", "--json"])
        .exits(0)
        .json();
    assert_eq!(status["data"][0]["started_by"], "towline demo up");
}
