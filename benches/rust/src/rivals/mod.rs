//! What else propagates contexts: each rival as its documentation says, in a process of its own,
//! for they all keep something global.

mod fastrace;
mod opentelemetry;
mod raceway;

use std::sync::Arc;

use anyhow::Result;
use reqwest_middleware::Middleware;
use tower::Layer;
use tower_http::trace::TraceLayer;

use crate::caller::Sent;
use crate::inbound::{Clocks, Inbound};
use crate::outbound::{Carries, Outbound};
use crate::stack::{Place, User, app, put};

pub(crate) use self::opentelemetry::Sampling;

/// Layers of servers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    /// tower-http's spans, with nobody who takes them. Propagates nothing.
    TowerHttp(Place),
    Fastrace(Place),
    /// By `Router::layer` with both its layers, around the router with the one that propagates.
    OpenTelemetry(Sampling, Place),
    /// Raceway's axum without Raceway, and a vector of so many components.
    BareRaceway(usize),
    Raceway(usize),
}

impl Server {
    pub(crate) fn all() -> Vec<(&'static str, Self)> {
        let (around, route) = (Place::Around, Place::Route);
        vec![
            (
                "tower-http TraceLayer, no subscriber",
                Self::TowerHttp(around),
            ),
            (
                "tower-http TraceLayer, no subscriber, Router::layer",
                Self::TowerHttp(route),
            ),
            ("fastrace-axum, no-op reporter", Self::Fastrace(around)),
            (
                "fastrace-axum, no-op reporter, Router::layer",
                Self::Fastrace(route),
            ),
            (
                "axum-tracing-opentelemetry, sampling off",
                Self::OpenTelemetry(Sampling::Off, around),
            ),
            (
                "axum-tracing-opentelemetry as in its README, sampling off",
                Self::OpenTelemetry(Sampling::Off, route),
            ),
            (
                "axum-tracing-opentelemetry, batch exporter",
                Self::OpenTelemetry(Sampling::On, around),
            ),
            (
                "axum-tracing-opentelemetry as in its README, batch exporter",
                Self::OpenTelemetry(Sampling::On, route),
            ),
            (Self::bare_raceway(5), Self::BareRaceway(5)),
            ("raceway 0.1.0, v1 of 5", Self::Raceway(5)),
            (Self::bare_raceway(50), Self::BareRaceway(50)),
            ("raceway 0.1.0, v1 of 50", Self::Raceway(50)),
        ]
    }

    /// Those whose cost over loopback is told. Raceway would post its events to a server.
    pub(crate) fn on_loopback() -> Vec<(&'static str, Self)> {
        vec![
            (
                "fastrace-axum, no-op reporter",
                Self::Fastrace(Place::Around),
            ),
            (
                "axum-tracing-opentelemetry, batch exporter",
                Self::OpenTelemetry(Sampling::On, Place::Around),
            ),
        ]
    }

    fn bare_raceway(components: usize) -> &'static str {
        match components {
            5 => "bare axum 0.7, v1 of 5",
            _ => "bare axum 0.7, v1 of 50",
        }
    }

    /// The variant that does the same without it.
    pub(crate) fn over(self) -> Option<&'static str> {
        match self {
            Self::BareRaceway(_) => None,
            Self::Raceway(components) => Some(Self::bare_raceway(components)),
            Self::TowerHttp(_) | Self::Fastrace(_) | Self::OpenTelemetry(..) => Some("bare"),
        }
    }

    pub(crate) fn clocks(self) -> Clocks {
        match self {
            Self::BareRaceway(components) | Self::Raceway(components) => Clocks::V1(components),
            Self::TowerHttp(_) | Self::Fastrace(_) | Self::OpenTelemetry(..) => Clocks::None,
        }
    }

    pub(crate) fn carries(self) -> Carries {
        match self {
            Self::TowerHttp(_) | Self::BareRaceway(_) => Carries::Nothing,
            Self::Fastrace(_) => Carries::Trace { sampled: true },
            Self::OpenTelemetry(sampling, _) => Carries::Trace {
                sampled: sampling == Sampling::On,
            },
            Self::Raceway(_) => Carries::Vector,
        }
    }

    pub(crate) fn build<U: User>(self, user: U) -> U::Output {
        match self {
            Self::TowerHttp(place) => {
                put!(
                    TraceLayer::new_for_http(),
                    place,
                    app(Outbound::default),
                    user
                )
            }
            Self::Fastrace(place) => {
                fastrace::report_to_nobody();
                put!(
                    fastrace_axum::FastraceLayer::default(),
                    place,
                    app(fastrace::outbound),
                    user
                )
            }
            Self::OpenTelemetry(sampling, place) => {
                opentelemetry::serve(sampling);
                let app = app(opentelemetry::outbound);
                match place {
                    Place::Around => user.with(opentelemetry::layer().layer(app)),
                    Place::Route => user.with(opentelemetry::as_in_its_readme(app)),
                }
            }
            Self::BareRaceway(_) => user.with(raceway::bare()),
            Self::Raceway(_) => raceway::serve(user),
        }
    }
}

/// Middleware of `reqwest` clients.
#[derive(Clone, Debug)]
pub(crate) enum Client {
    OpenTelemetry,
    Raceway(raceway::Caller),
}

/// How a client of a rival is made.
type Make = fn() -> Result<Client>;

impl Client {
    pub(crate) fn all() -> Vec<(&'static str, Make, Sent)> {
        vec![
            (
                "reqwest-tracing, OpenTelemetry, batch exporter",
                opentelemetry::client,
                Sent::Trace,
            ),
            (
                "raceway 0.1.0 by hand, v1 of 5",
                raceway::client,
                Sent::Vector,
            ),
        ]
    }

    pub(crate) fn middleware(&self) -> Arc<dyn Middleware> {
        match self {
            Self::OpenTelemetry => opentelemetry::middleware(),
            Self::Raceway(caller) => Arc::new(caller.clone()),
        }
    }

    pub(crate) fn within<T>(
        &self,
        inbound: &Inbound,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        match self {
            Self::OpenTelemetry => opentelemetry::within(inbound, work),
            Self::Raceway(caller) => caller.within(inbound, work),
        }
    }
}
