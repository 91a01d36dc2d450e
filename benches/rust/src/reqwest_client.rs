//! Calls of a `reqwest` client, whose last middleware answers without a network.

use std::iter;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use http::{Extensions, HeaderMap, Method};
use reqwest::{Request, Response, Url};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use towline::Propagate;
use towline_core::RACEWAY_CLOCK;

use crate::callee;
use crate::caller::{Caller, Sent};
use crate::inbound::{Clocks, Inbound};
use crate::measure::{self, Cost, Effort};
use crate::minimum;
use crate::poll::block_on;
#[cfg(feature = "rivals")]
use crate::rivals;
use crate::sent::{self, CALLER_HOPS};
use crate::variant::{MINIMUM, Table, Variant};

/// What calls cost without propagation, and where the callee answers with a clock.
const EMPTY: &str = "empty middleware";
const EMPTY_CLOCK: &str = "empty middleware, clock answered";

/// All middleware of `reqwest` clients.
pub(crate) fn variants() -> Vec<Variant> {
    let own = [
        client(EMPTY, None, || Ok(Caller::Nothing), Sent::Nothing),
        Variant::new(Table::Reqwest, EMPTY_CLOCK, None, answered_by_hand),
        client(MINIMUM, Some(EMPTY), || Ok(Caller::Minimum), Sent::Trace),
        client(
            "towline, clock withheld",
            Some(EMPTY),
            || Ok(Caller::towline()),
            Sent::Trace,
        ),
        client(
            "towline, with clock",
            Some(EMPTY_CLOCK),
            || Ok(Caller::towline()),
            Sent::Clock,
        ),
    ];
    own.into_iter().chain(of_rivals()).collect()
}

#[cfg(feature = "rivals")]
fn of_rivals() -> impl Iterator<Item = Variant> {
    let rivals = rivals::Client::all().into_iter();
    rivals.map(|(name, make, sent)| {
        let caller = move || Ok(Caller::Rival(make()?));
        client(name, Some(EMPTY), caller, sent)
    })
}

#[cfg(not(feature = "rivals"))]
fn of_rivals() -> impl Iterator<Item = Variant> {
    std::iter::empty()
}

fn client(
    name: &str,
    over: Option<&str>,
    caller: impl Fn() -> Result<Caller> + 'static,
    sent: Sent,
) -> Variant {
    Variant::new(Table::Reqwest, name, over, move |effort| {
        measure(effort, &caller()?, sent)
    })
}

fn measure(effort: Effort, caller: &Caller, sent: Sent) -> Result<Cost> {
    let inbound = sent::inbound(sent);
    caller.within(&inbound, || {
        check(caller, &inbound, sent)?;
        let client = chain(caller, Arc::new(Answer));
        let url = Url::parse(sent.url())?;
        let requests = iter::repeat_with(|| request(&url));
        let cost = run(effort, &client, requests)?;
        check(caller, &inbound, sent)?;
        Ok(cost)
    })
}

/// What calls cost that carry a clock already: the callee's part of those with a clock.
fn answered_by_hand(effort: Effort) -> Result<Cost> {
    let client = chain(&Caller::Nothing, Arc::new(Answer));
    let url = Url::parse(Sent::Clock.url())?;
    let inbound = Inbound::batch(Clocks::Hops(CALLER_HOPS + 1));
    let requests = inbound.iter().cycle().map(|inbound| {
        let mut request = request(&url);
        let clock = inbound.headers().remove(RACEWAY_CLOCK);
        if let Some(clock) = clock {
            request.headers_mut().insert(RACEWAY_CLOCK, clock);
        }
        request
    });
    run(effort, &client, requests)
}

/// A request with the headers that clients set.
fn request(url: &Url) -> Request {
    let mut request = Request::new(Method::GET, url.clone());
    sent::put_usual(request.headers_mut());
    request
}

fn run(
    effort: Effort,
    client: &ClientWithMiddleware,
    requests: impl Iterator<Item = Request>,
) -> Result<Cost> {
    let mut failed = 0;
    let cost = measure::batches(effort, requests, |request| {
        failed += usize::from(block_on(client.execute(request)).is_err());
    });
    ensure!(failed == 0, "{failed} calls failed");
    Ok(cost)
}

fn chain(caller: &Caller, last: Arc<dyn Middleware>) -> ClientWithMiddleware {
    let builder = ClientBuilder::new(reqwest::Client::new());
    let builder = match caller {
        Caller::Nothing => builder.with(Empty),
        Caller::Minimum => builder.with(Minimum),
        Caller::Towline(towline) => builder.with(Propagate::from(towline)),
        #[cfg(feature = "rivals")]
        Caller::Rival(rival) => builder.with_arc(rival.middleware()),
    };
    builder.with_arc(last).build()
}

fn check(caller: &Caller, inbound: &Inbound, sent: Sent) -> Result<()> {
    let recorder = Arc::new(Recorder::default());
    let client = chain(caller, recorder.clone());
    for _ in 0..16 {
        let request = request(&Url::parse(sent.url())?);
        block_on(client.execute(request)).context("answered")?;
    }
    let seen = recorder.seen.lock().unwrap_or_else(PoisonError::into_inner);
    sent::check(&seen, inbound, sent)
}

struct Empty;

#[async_trait]
impl Middleware for Empty {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        next.run(request, extensions).await
    }
}

struct Minimum;

#[async_trait]
impl Middleware for Minimum {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        if let Some(place) = minimum::Place::current() {
            place.inject(request.headers_mut());
        }
        next.run(request, extensions).await
    }
}

/// The end of the chain: answers, with a clock if one came.
struct Answer;

#[async_trait]
impl Middleware for Answer {
    async fn handle(
        &self,
        request: Request,
        _: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        Ok(Response::from(callee::respond(request.headers(), "")))
    }
}

/// As [`Answer`], and keeps what came.
#[derive(Default)]
struct Recorder {
    seen: Mutex<Vec<HeaderMap>>,
}

#[async_trait]
impl Middleware for Recorder {
    async fn handle(
        &self,
        request: Request,
        _: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(request.headers().clone());
        Ok(Response::from(callee::respond(request.headers(), "")))
    }
}
