#!/usr/bin/env bash
# The crates, as their users get them: packed, and built and used in an empty project.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
project=$(mktemp -d)
trap 'rm -r "$project"' EXIT
crates=(towline-core towline-tower towline-reqwest towline-otel towline)
for crate in "${crates[@]}"; do
  mkdir -p "$project/$crate"
  # What `cargo package` would put in: only the files of the crate itself.
  (cd "crates/$crate" && cargo package --list --allow-dirty | grep -v -e '^Cargo.toml.orig$' -e '^Cargo.lock$' -e '^.cargo_vcs_info.json$' |
    while read -r file; do install -D -m 644 "$file" "$project/$crate/$file"; done)
done
sed -e 's|^members = .*|members = ["towline*", "user"]|' Cargo.toml | sed -e 's|path = "crates/|path = "|' >"$project/Cargo.toml"
cp Cargo.lock "$project/"
mkdir -p "$project/user/src"
cat >"$project/user/Cargo.toml" <<'TOML'
[package]
name = "user"
version = "0.1.0"
edition = "2024"

[dependencies]
axum = "0.8"
reqwest = { version = "0.13", default-features = false }
reqwest-middleware = "0.5"
tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }
towline = { workspace = true, features = ["full"] }
TOML
cat >"$project/user/src/main.rs" <<'RUST'
use axum::{Router, routing::get};
use reqwest_middleware::ClientBuilder;
use towline::{Config, CurrentContext, InContext, Propagate, ServerLayer, Towline};

#[tokio::main]
async fn main() {
    let handler = get(|CurrentContext(context): CurrentContext| async move { context.trace_id().to_string() });
    let app: Router = Router::new().route("/", handler).layer(ServerLayer::new().service_name("user"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let towline = Towline::new(Config::new().service_name("caller"));
    let client = ClientBuilder::new(reqwest::Client::new()).with(Propagate::from(&towline)).build();
    let context = towline.accept::<[(&str, &str)]>(&[], &Default::default());
    let answer = client.get(url).send().in_context(context.clone()).await.unwrap().text().await.unwrap();
    assert_eq!(answer, context.trace_id().to_string());
    println!("one trace: {answer}");
}
RUST
cd "$project"
cargo run --quiet -p user
