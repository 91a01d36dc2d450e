//! Servers: one axum application under each of the layers.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;

use axum::body::Body;
use axum::routing::get;
use axum::{BoxError, Router};
use bytes::Bytes;
use http::{Request, Response};
use tower::layer::util::Identity;
use tower::{Layer, Service};
use towline::{Config, Context, Observer, ServerLayer, Towline, Trust};

use crate::minimum;
use crate::outbound::Outbound;
#[cfg(feature = "rivals")]
use crate::rivals;

/// What is put around the application.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stack {
    Bare,
    /// A layer that does nothing, by `Router::layer`.
    Empty,
    Minimum(Place),
    Towline(Setting, Place),
    #[cfg(feature = "rivals")]
    Rival(rivals::Server),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Around,
    /// By `Router::layer`, which boxes what is below and what is above.
    Route,
}

/// How Towline is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Default,
    Disabled,
    /// With an observer that looks at nothing.
    Observed,
    /// With a function that judges each peer.
    Trusting,
    /// With B3 and deadlines on, of which requests have none.
    EdgeOn,
}

/// Does something with a service, whatever its type.
pub(crate) trait User {
    type Output;

    fn with<S, B>(self, service: S) -> Self::Output
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>;
}

/// Puts a layer in its place and hands the service over. A macro, since a bound for both places
/// would be longer than what it saves.
macro_rules! put {
    ($layer:expr, $place:expr, $app:expr, $user:expr) => {
        match $place {
            Place::Around => $user.with($layer.layer($app)),
            Place::Route => $user.with($app.layer($layer)),
        }
    };
}
#[cfg(feature = "rivals")]
pub(crate) use put;

impl Stack {
    pub(crate) fn build<U: User>(self, user: U) -> U::Output {
        match self {
            Self::Bare => user.with(app(Outbound::default)),
            Self::Empty => user.with(app(Outbound::default).layer(Identity::new())),
            Self::Minimum(place) => put!(minimum::ServerLayer, place, app(of_minimum), user),
            Self::Towline(setting, place) => {
                let layer = ServerLayer::from(&towline(setting));
                put!(layer, place, app(Outbound::of_towline), user)
            }
            #[cfg(feature = "rivals")]
            Self::Rival(rival) => rival.build(user),
        }
    }
}

/// What every service does: `/` answers, `/read` looks at Towline's current context and answers,
/// `/out` tells what a call from the handler would carry.
pub(crate) fn app(outbound: fn() -> Outbound) -> Router {
    Router::new()
        .route("/", get(|| async { "ok" }))
        .route(
            "/read",
            get(|| async {
                black_box(Context::current());
                "ok"
            }),
        )
        .route("/out", get(move || async move { outbound().into_text() }))
}

fn of_minimum() -> Outbound {
    let sent = minimum::Place::current().map(minimum::Place::traceparent);
    Outbound {
        traceparent: sent.and_then(|value| value.to_str().ok().map(str::to_owned)),
        clock: None,
    }
}

fn towline(setting: Setting) -> Towline {
    #[derive(Debug)]
    struct Blind;

    impl Observer for Blind {}

    let config = Config::new().service_name("bench").instance("b-1");
    Towline::new(match setting {
        Setting::Default => config,
        Setting::Disabled => config.disabled(true),
        Setting::Observed => config.observer(Arc::new(Blind)),
        Setting::Trusting => config.trust(|_| Trust::Continue),
        Setting::EdgeOn => config
            .propagators("tracecontext,baggage,b3,b3multi")
            .deadlines(true),
    })
}
