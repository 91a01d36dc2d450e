use std::sync::Arc;
use tower_layer::Layer;

use towline_core::{Config, Setup, Towline};

use super::service::Client;

/// The layer around clients; see [the module](crate::client).
///
/// Inside a request it is that request's service and instance that call; what is set here decides
/// where clocks go, and names the traces that begin with a call.
#[derive(Clone, Debug, Default)]
pub struct ClientLayer {
    setup: Setup,
    host: Option<Arc<str>>,
}

impl ClientLayer {
    /// A layer by the settings of the environment.
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

    /// The host that requests go to which name none themselves, as those of a tonic channel do. To
    /// an unknown host no clock is sent.
    #[must_use]
    pub fn host(mut self, host: impl Into<Arc<str>>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Any other setting: `.config(|config| config.clock(ClockMode::V2))`.
    #[must_use]
    pub fn config(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.setup = self.setup.config(change);
        self
    }
}

/// Shares an instance that there is already, with its counters and observers.
impl From<&Towline> for ClientLayer {
    fn from(towline: &Towline) -> Self {
        Self {
            setup: Setup::from(towline),
            host: None,
        }
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = Client<S>;

    fn layer(&self, inner: S) -> Client<S> {
        Client::new(inner, self.setup.towline(), self.host.clone())
    }
}
