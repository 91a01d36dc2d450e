//! Servers, called in-process: what a layer adds to a request.

use std::convert::Infallible;

use anyhow::{Context as _, Result, ensure};
use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use tower::Service;

use crate::inbound::{Clocks, Inbound};
use crate::measure::{self, Cost, Effort};
use crate::outbound::{Carries, Outbound, check_answer};
use crate::poll::{block_on, drain};
#[cfg(feature = "rivals")]
use crate::rivals;
use crate::stack::{Place, Setting, Stack, User};
use crate::variant::{MINIMUM, Table, Variant};

/// As many hops as a clock can have on arrival and be carried on: the receiver's own is the 64th.
const HOPS_MAX: usize = 63;

const TRACE: Carries = Carries::Trace { sampled: true };

/// All servers that are called in-process.
pub(crate) fn variants() -> Vec<Variant> {
    let towline = |setting, place| Stack::Towline(setting, place);
    let (around, route) = (Place::Around, Place::Route);
    let plain = Setting::Default;
    let mut all = vec![
        server("bare", None, Stack::Bare, Clocks::None, Carries::Nothing),
        server(
            "empty layer, Router::layer",
            Some("bare"),
            Stack::Empty,
            Clocks::None,
            Carries::Nothing,
        ),
        server(
            MINIMUM,
            Some("bare"),
            Stack::Minimum(around),
            Clocks::None,
            TRACE,
        ),
        server(
            "hand-written minimum, Router::layer",
            Some("bare"),
            Stack::Minimum(route),
            Clocks::None,
            TRACE,
        ),
        server(
            "towline",
            Some("bare"),
            towline(plain, around),
            Clocks::None,
            TRACE,
        ),
        reading("towline, context read", towline(plain, around)),
        server(
            "towline, Router::layer",
            Some("bare"),
            towline(plain, route),
            Clocks::None,
            TRACE,
        ),
        reading(
            "towline, context read, Router::layer",
            towline(plain, route),
        ),
        server(
            "towline, observed",
            Some("bare"),
            towline(Setting::Observed, around),
            Clocks::None,
            TRACE,
        ),
        server(
            "towline, a trust function",
            Some("bare"),
            towline(Setting::Trusting, around),
            Clocks::None,
            TRACE,
        ),
        server(
            "towline, B3 and deadlines on",
            Some("bare"),
            towline(Setting::EdgeOn, around),
            Clocks::None,
            TRACE,
        ),
        server(
            "towline, disabled",
            Some("bare"),
            towline(Setting::Disabled, around),
            Clocks::None,
            Carries::Nothing,
        ),
    ];
    for hops in [1, 4, 16, HOPS_MAX] {
        let clocks = Clocks::Hops(hops);
        let bare = format!("bare, clock of {hops}");
        let name = format!("towline, clock of {hops}");
        all.push(server(
            bare.as_str(),
            None,
            Stack::Bare,
            clocks,
            Carries::Nothing,
        ));
        all.push(server(
            name,
            Some(&bare),
            towline(plain, around),
            clocks,
            Carries::Clock,
        ));
    }
    let four = Clocks::Hops(4);
    let bare = Some("bare, clock of 4");
    all.push(server(
        "towline, clock of 4, Router::layer",
        bare,
        towline(plain, route),
        four,
        Carries::Clock,
    ));
    all.push(server(
        "towline, clock of 4, observed",
        bare,
        towline(Setting::Observed, around),
        four,
        Carries::Clock,
    ));
    all.push(server(
        "bare, v1 of 5",
        None,
        Stack::Bare,
        Clocks::V1(5),
        Carries::Nothing,
    ));
    let bare = Some("bare, v1 of 5");
    all.push(server(
        "towline, v1 of 5",
        bare,
        towline(plain, around),
        Clocks::V1(5),
        Carries::Vector,
    ));
    #[cfg(feature = "rivals")]
    all.extend(rivals::Server::all().into_iter().map(|(name, rival)| {
        server(
            name,
            rival.over(),
            Stack::Rival(rival),
            rival.clocks(),
            rival.carries(),
        )
    }));
    all
}

/// A variant that calls `/`.
fn server(
    name: impl Into<String>,
    over: Option<&str>,
    stack: Stack,
    clocks: Clocks,
    carries: Carries,
) -> Variant {
    Variant::new(Table::Server, name, over, move |effort| {
        stack.build(InProcess {
            effort,
            path: "/",
            inbound: &Inbound::batch(clocks),
            carries,
        })
    })
}

/// A variant whose handler looks at the current context.
fn reading(name: &str, stack: Stack) -> Variant {
    Variant::new(Table::Server, name, Some("bare"), move |effort| {
        let inbound = &Inbound::batch(Clocks::None);
        stack.build(InProcess {
            effort,
            path: "/read",
            inbound,
            carries: TRACE,
        })
    })
}

/// Checks a service, measures it and checks it again.
struct InProcess<'a> {
    effort: Effort,
    path: &'static str,
    inbound: &'a [Inbound],
    carries: Carries,
}

impl User for InProcess<'_> {
    type Output = Result<Cost>;

    fn with<S, B>(self, mut service: S) -> Result<Cost>
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.check(&mut service)?;
        let inbound = self.inbound.iter().cycle();
        let requests = inbound.map(|inbound| inbound.request(self.path));
        let mut failed = 0;
        let cost = measure::batches(self.effort, requests, |request| {
            let Ok(response) = block_on(service.call(request));
            failed += usize::from(response.status() != StatusCode::OK);
            failed += usize::from(block_on(drain(response.into_body(), |_| {})).is_err());
        });
        ensure!(failed == 0, "{failed} requests failed");
        self.check(&mut service)?;
        Ok(cost)
    }
}

impl InProcess<'_> {
    fn check<S, B>(&self, service: &mut S) -> Result<()>
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        for inbound in self.inbound {
            let (headers, body) = exchange(service, inbound.request(self.path))?;
            ensure!(body == "ok", "answered: {body}");
            check_answer(&headers, inbound, self.carries)?;
            let (_, body) = exchange(service, inbound.request("/out"))?;
            let outbound = Outbound::of_text(&body)?;
            outbound
                .check(inbound, self.carries)
                .with_context(|| format!("{inbound:?}"))?;
        }
        Ok(())
    }
}

fn exchange<S, B>(service: &mut S, request: Request<Body>) -> Result<(HeaderMap, String)>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let Ok(response) = block_on(service.call(request));
    ensure!(
        response.status() == StatusCode::OK,
        "status {}",
        response.status()
    );
    let (head, body) = response.into_parts();
    let mut text = Vec::new();
    let drained = block_on(drain(body, |data| text.extend_from_slice(data)));
    drained.map_err(|error| anyhow::anyhow!(error.into()))?;
    Ok((head.headers, String::from_utf8(text)?))
}
