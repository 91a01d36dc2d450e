//! `towline conformance`: the project's own cases against one service, over the wire.

use std::time::Duration;

use reqwest::Url;
use tokio::net::TcpListener;
use towline_probe::{Case, Results, cases, page};

use crate::Exit;
use crate::args::ConformanceArgs;
use crate::demo::{Name, Places};
use crate::failure::Failure;
use crate::out::Out;
use crate::probe::PLACES;
use crate::wire::{Harness, connect};

/// Runs the cases one after the other, each with connections of its own.
pub(crate) async fn run(args: &ConformanceArgs, out: &mut Out) -> Exit {
    let service = service(args)?;
    let wanted = wanted(args)?;
    let wait = Duration::from_secs(args.timeout);
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener =
        listener.map_err(|error| Failure::system("no port of 127.0.0.1 is free").because(error))?;
    let harness = Harness::new(listener, service.clone(), wait)
        .map_err(|error| Failure::system("the harness cannot start").because(error))?;
    offers_test(&harness, &service, wait).await?;
    let mut results = Results::default();
    for (number, case) in wanted.iter().enumerate() {
        let exchange = harness.run(number + 1, case).await;
        results.add(case, &exchange);
    }
    if args.json {
        out.json(&results.json());
    } else {
        out.data(&results.text(out.charset));
    }
    Ok(u8::from(!results.is_kept()))
}

/// `host:port` of the service.
fn service(args: &ConformanceArgs) -> Result<String, Failure> {
    let entry = match args.url.parse::<Name>() {
        Ok(name) => Places::known(&args.state)?.url(name),
        Err(_) => args.url.clone(),
    };
    let url = page(&entry).map_err(|error| Failure::usage(error.to_string()).hint(PLACES))?;
    let url: Url = url
        .parse()
        .map_err(|error| Failure::usage("this is no URL").because(error))?;
    if !matches!(url.path(), "/" | "/test") {
        return Err(Failure::usage("the service is asked at POST /test")
            .hint("give its address without a path"));
    }
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) => Ok(format!("{host}:{port}")),
        _ => Err(Failure::usage("the URL has no host").hint(PLACES)),
    }
}

fn wanted(args: &ConformanceArgs) -> Result<Vec<Case>, Failure> {
    let all = cases();
    for rule in &args.rules {
        if !all
            .iter()
            .any(|case| case.rule().id().starts_with(rule.as_str()))
        {
            let mut known: Vec<&str> = all.iter().map(|case| case.rule().id()).collect();
            known.dedup();
            let failure = Failure::usage(format!("there is no rule {rule:?}"));
            return Err(failure.hint(format!("the rules: {}", known.join(", "))));
        }
    }
    let is_wanted = |case: &Case| {
        let id = case.rule().id();
        args.rules.is_empty() || args.rules.iter().any(|rule| id.starts_with(rule.as_str()))
    };
    Ok(all.into_iter().filter(is_wanted).collect())
}

/// Whether there is anything to judge: a service, and the contract.
async fn offers_test(harness: &Harness, service: &str, wait: Duration) -> Result<(), Failure> {
    connect(service, wait).await.map_err(|error| {
        Failure::not_reached(format!("{service} is not reached")).because(error)
    })?;
    let Some(first) = cases().into_iter().next() else {
        return Ok(());
    };
    let exchange = harness.run(0, &first).await;
    match exchange.status {
        Some(status @ (404 | 405)) => Err(Failure::not_found(format!(
            "{service} answers {status} to POST /test"
        ))
        .hint("a service to be judged offers the contract of spec/services.md, `POST /test`")),
        _ => Ok(()),
    }
}
