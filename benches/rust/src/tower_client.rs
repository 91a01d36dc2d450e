//! Calls of a tower client over a service in memory.

use std::convert::Infallible;
use std::future::ready;
use std::iter;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body::Body;
use http_body_util::Empty;
use tower::layer::util::Identity;
use tower::{Layer, Service};
use towline::ClientLayer;
use towline_core::RACEWAY_CLOCK;

use crate::callee;
use crate::caller::{Caller, Sent};
use crate::inbound::{Clocks, Inbound};
use crate::measure::{self, Cost, Effort};
use crate::minimum;
use crate::poll::{block_on, drain};
use crate::sent::{self, CALLER_HOPS, put_usual};
use crate::variant::{MINIMUM, Table, Variant};

const EMPTY: &str = "no layer";
const EMPTY_CLOCK: &str = "no layer, clock answered";

type Call = Request<Empty<Bytes>>;

/// All layers of tower clients.
pub(crate) fn variants() -> Vec<Variant> {
    let variant = |name, over, measure: fn(Effort) -> Result<Cost>| {
        Variant::new(Table::TowerClient, name, over, measure)
    };
    vec![
        variant(EMPTY, None, |effort| {
            measured(effort, &Caller::Nothing, &Identity::new(), Sent::Nothing)
        }),
        variant(EMPTY_CLOCK, None, answered_by_hand),
        variant(MINIMUM, Some(EMPTY), |effort| {
            measured(effort, &Caller::Minimum, &minimum::ClientLayer, Sent::Trace)
        }),
        variant("towline, clock withheld", Some(EMPTY), |effort| {
            towline(effort, Sent::Trace)
        }),
        variant("towline, with clock", Some(EMPTY_CLOCK), |effort| {
            towline(effort, Sent::Clock)
        }),
    ]
}

fn towline(effort: Effort, sent: Sent) -> Result<Cost> {
    let towline = Caller::own_towline();
    let layer = ClientLayer::from(&towline);
    measured(effort, &Caller::Towline(towline), &layer, sent)
}

/// Checks a layer, measures it and checks it again.
fn measured<L>(effort: Effort, caller: &Caller, layer: &L, sent: Sent) -> Result<Cost>
where
    L: Layer<Callee>,
    L::Service: Client,
{
    let inbound = sent::inbound(sent);
    caller.within(&inbound, || {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut recorded = layer.layer(Callee {
            seen: Some(seen.clone()),
        });
        let mut check = || {
            ensure!(
                (0..16).all(|_| recorded.answers(call(sent))),
                "a call failed"
            );
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            sent::check(&std::mem::take(&mut *seen), &inbound, sent)
        };
        check()?;
        let calls = iter::repeat_with(|| call(sent));
        let cost = run(effort, layer.layer(Callee { seen: None }), calls)?;
        check()?;
        Ok(cost)
    })
}

/// What calls cost that carry a clock already: the callee's part of those with a clock.
fn answered_by_hand(effort: Effort) -> Result<Cost> {
    let inbound = Inbound::batch(Clocks::Hops(CALLER_HOPS + 1));
    let calls = inbound.iter().cycle().map(|inbound| {
        let mut call = call(Sent::Clock);
        let clock = inbound.headers().remove(RACEWAY_CLOCK);
        if let Some(clock) = clock {
            call.headers_mut().insert(RACEWAY_CLOCK, clock);
        }
        call
    });
    run(effort, Callee { seen: None }, calls)
}

fn run(effort: Effort, mut client: impl Client, calls: impl Iterator<Item = Call>) -> Result<Cost> {
    let mut failed = 0;
    let cost = measure::batches(effort, calls, |call| {
        failed += usize::from(!client.answers(call));
    });
    ensure!(failed == 0, "{failed} calls failed");
    Ok(cost)
}

/// A request with the headers that clients set.
fn call(sent: Sent) -> Call {
    let mut call = Request::new(Empty::new());
    *call.uri_mut() = Uri::from_static(sent.url());
    put_usual(call.headers_mut());
    call
}

/// A client of whatever type.
trait Client {
    /// Makes a call and takes its answer to the end. Whether that went well.
    fn answers(&mut self, call: Call) -> bool;
}

impl<S, B> Client for S
where
    S: Service<Call, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    fn answers(&mut self, call: Call) -> bool {
        block_on(async {
            match self.call(call).await {
                Ok(response) => drain(response.into_body(), |_| {}).await.is_ok(),
                Err(_) => false,
            }
        })
    }
}

/// The service that is called: answers, with a clock if one came.
#[derive(Clone, Debug)]
struct Callee {
    /// What came, where that is to be checked.
    seen: Option<Arc<Mutex<Vec<HeaderMap>>>>,
}

impl Service<Call> for Callee {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        if let Some(seen) = &self.seen {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(call.headers().clone());
        }
        ready(Ok(callee::respond(call.headers(), Empty::new())))
    }
}
