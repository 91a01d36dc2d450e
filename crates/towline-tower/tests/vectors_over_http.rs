//! `spec/vectors/trace-context.json` over real HTTP: several fields of one name, odd blanks and
//! mixed case as they stand there, written to a socket.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod wire;

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use towline_core::{Config, Context, Towline};
use towline_tower::ServerLayer;
use wire::serve;

fn vectors() -> Value {
    let folder = std::env::var("TOWLINE_VECTORS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/vectors").to_owned());
    let text = std::fs::read_to_string(format!("{folder}/trace-context.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What goes on from here.
async fn seen() -> Json<Value> {
    let context = Context::current().unwrap();
    let tracestate = context.tracestate();
    Json(json!({
        "trace_id": context.trace_id().to_string(),
        "parent_id": context.parent_id().map(|id| id.to_string()),
        "flags_out": context.flags().to_string(),
        "tracestate_out": tracestate.with_own(None),
        "tracestate_out_with_own": tracestate.with_own(Some("77b0e190:4")),
    }))
}

fn fields(case: &Value) -> Vec<(&str, &str)> {
    let fields = case["fields"].as_array().unwrap().iter();
    fields
        .map(|field| (field[0].as_str().unwrap(), field[1].as_str().unwrap()))
        .collect()
}

/// Status and body of the answer.
async fn ask(server: std::net::SocketAddr, fields: &[(&str, &str)]) -> (u16, Value) {
    let mut socket = TcpStream::connect(server).await.unwrap();
    let mut request = "GET / HTTP/1.1\r\nHost: leaf\r\nConnection: close\r\n".to_owned();
    for (name, value) in fields {
        request.push_str(&format!("{name}:{value}\r\n"));
    }
    request.push_str("\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

#[tokio::test]
async fn every_case_is_read_over_http_as_the_model_reads_it() {
    let towline = Towline::new(Config::new().service_name("leaf"));
    let app = Router::new()
        .route("/", get(seen))
        .layer(ServerLayer::from(&towline));
    let server = serve(app).await;
    let file = vectors();
    let mut refused_by_http = 0;
    for case in file["cases"].as_array().unwrap() {
        let before = towline.counters().snapshot();
        let (status, seen) = ask(server, &fields(case)).await;
        let counted = |key: &str| {
            let (_, before) = before.iter().find(|(other, _)| *other == key).unwrap();
            towline.counters().by_key(key).unwrap() - before
        };
        // Of a control character HTTP itself makes an end.
        let is_control = |c: char| c.is_control() && c != '\t';
        if fields(case)
            .iter()
            .any(|(_, value)| value.contains(is_control))
        {
            assert_eq!(status, 400, "{case}");
            refused_by_http += 1;
            continue;
        }
        assert_eq!(status, 200, "{case}");
        let expected = &case["continue"];
        if let Some(reason) = case["restart"].as_str() {
            assert_eq!(seen["parent_id"], Value::Null, "{case}");
            assert_eq!(
                counted(&format!("traceparent/{}", reason.replace(' ', "_"))),
                1,
                "{case}"
            );
            assert_eq!(seen["tracestate_out"], Value::Null, "{case}");
            continue;
        }
        for name in [
            "trace_id",
            "parent_id",
            "flags_out",
            "tracestate_out",
            "tracestate_out_with_own",
        ] {
            assert_eq!(seen[name], expected[name], "{name}: {case}");
        }
        let dropped = expected["tracestate_dropped"].as_str();
        for reason in ["malformed", "too many members"] {
            let key = format!("tracestate/{}", reason.replace(' ', "_"));
            assert_eq!(counted(&key), u64::from(dropped == Some(reason)), "{case}");
        }
    }
    assert!(refused_by_http < 4, "nearly all are read by us");
}
