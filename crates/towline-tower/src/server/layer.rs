use std::net::IpAddr;

use http::Extensions;
use tower_layer::Layer;
use towline_core::{Config, Setup, Towline};

use super::service::{PeerAddress, Server};

/// The layer around servers; see [the module](crate::server).
///
/// Its clones, and all services that it makes, share one [`Towline`], which is made when the first
/// of them is.
#[derive(Clone, Debug)]
pub struct ServerLayer {
    setup: Setup,
    peer_address: PeerAddress,
}

impl ServerLayer {
    /// A layer by the settings of the environment.
    #[must_use]
    pub fn new() -> Self {
        Self::from(Setup::default())
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

    /// Which requests are traced, by method and path: `|_, path| path != "/health"`.
    #[must_use]
    pub fn filter(self, filter: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        self.config(|config| config.filter(filter))
    }

    /// Any other setting: `.config(|config| config.clock(ClockMode::V2))`.
    #[must_use]
    pub fn config(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.setup = self.setup.config(change);
        self
    }

    /// How to find the peer's address in a request's extensions, for a trust by peer. By default
    /// it is not known. With axum's `ConnectInfo`:
    ///
    /// ```
    /// # use std::net::SocketAddr;
    /// # use axum::extract::ConnectInfo;
    /// # use towline_tower::ServerLayer;
    /// let layer = ServerLayer::new()
    ///     .peer_address(|extensions| Some(extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip()));
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn peer_address(mut self, find: fn(&Extensions) -> Option<IpAddr>) -> Self {
        self.peer_address = find;
        self
    }
}

impl Default for ServerLayer {
    fn default() -> Self {
        Self::new()
    }
}

/// Shares an instance that there is already, with its counters and observers.
impl From<&Towline> for ServerLayer {
    fn from(towline: &Towline) -> Self {
        Self::from(Setup::from(towline))
    }
}

impl From<Setup> for ServerLayer {
    fn from(setup: Setup) -> Self {
        Self {
            setup,
            peer_address: |_| None,
        }
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = Server<S>;

    fn layer(&self, inner: S) -> Server<S> {
        Server::new(inner, self.setup.towline(), self.peer_address)
    }
}
