//! Middleware for [`reqwest`] clients: every attempt of every call carries the trace, a client span
//! of its own, and the strand clock.
//!
//! ```
//! use reqwest_middleware::ClientBuilder;
//! use towline_reqwest::Propagate;
//!
//! let client = ClientBuilder::new(reqwest::Client::new()).with(Propagate::new()).build();
//! # let _ = client;
//! ```
//!
//! Retry middleware belongs above it (`.with(retries).with(Propagate::new())`), so that each
//! attempt is a call of its own. reqwest follows redirects below its middleware, with the headers
//! of the first attempt: turn them off (`redirect::Policy::none()`) where redirects may lead to
//! hosts that are not to see them.

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};
use towline_core::{Config, Field, Headers, Setup, Towline};

/// Carries the context on calls; see [the crate](self).
///
/// Inside a request it is that request's service and instance that call; what is set here decides
/// where clocks go, and names the traces that begin with a call. Without a current context a new
/// trace begins with the call, and `context/none` is counted.
#[derive(Clone, Debug, Default)]
pub struct Propagate {
    setup: Setup,
}

impl Propagate {
    /// Middleware by the settings of the environment.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of the service; see [`Config::service_name`].
    #[must_use]
    pub fn service_name(self, name: impl Into<String>) -> Self {
        self.config(|config| config.service_name(name))
    }

    /// Which instance of the service this is; see [`Config::instance`].
    #[must_use]
    pub fn instance(self, instance: impl Into<String>) -> Self {
        self.config(|config| config.instance(instance))
    }

    /// Hosts that clocks go to beside the local ones; see [`Config::propagate_to`].
    #[must_use]
    pub fn propagate_to(self, hosts: impl Into<String>) -> Self {
        self.config(|config| config.propagate_to(hosts))
    }

    /// Any other setting: `.config(|config| config.clock(ClockMode::V2))`.
    #[must_use]
    pub fn config(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.setup = self.setup.config(change);
        self
    }

    /// The instance, for its counters.
    #[must_use]
    pub fn towline(&self) -> Towline {
        self.setup.towline()
    }
}

/// Shares an instance that there is already, with its counters and observers.
impl From<&Towline> for Propagate {
    fn from(towline: &Towline) -> Self {
        Self {
            setup: Setup::from(towline),
        }
    }
}

#[async_trait::async_trait]
impl Middleware for Propagate {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let host = request.url().host_str().unwrap_or_default();
        let Some(mut call) = self.towline().attempt(request.headers(), host) else {
            return next.run(request, extensions).await;
        };
        call.inject(request.headers_mut());
        let result = call.under_way(next.run(request, extensions)).await;
        match &result {
            Ok(response) => {
                call.answered(
                    response.status().as_u16(),
                    response.headers().fields(Field::RacewayClock),
                );
                // The body is out of sight from here: what was not said by now cannot be told.
                call.body_ended();
            }
            Err(_) => call.failed(),
        }
        result
    }
}
