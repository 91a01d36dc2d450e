use std::net::IpAddr;
use std::task::{Context as Polling, Poll};

use http::{Extensions, Request, Response};
use http_body::Body;
use tower_service::Service;
use towline_core::{Peer, Towline};

use super::future::ResponseFuture;
use super::scope::Scope;

/// Finds the address of the peer in a request's extensions.
pub(super) type PeerAddress = fn(&Extensions) -> Option<IpAddr>;

/// A service whose requests have a context; made by [`ServerLayer`](super::ServerLayer).
#[derive(Clone, Debug)]
pub struct Server<S> {
    inner: S,
    towline: Towline,
    peer_address: PeerAddress,
}

impl<S> Server<S> {
    pub(super) fn new(inner: S, towline: Towline, peer_address: PeerAddress) -> Self {
        Self {
            inner,
            towline,
            peer_address,
        }
    }

    /// The instance, for its counters.
    pub fn towline(&self) -> &Towline {
        &self.towline
    }

    /// The scope of a request, unless it is to pass untouched.
    fn begin<B>(&self, request: &Request<B>) -> Option<Scope> {
        let settings = self.towline.settings();
        if settings.disabled
            || !settings.traces(request.method().as_str(), request.uri().path())
            || Towline::is_served(request.headers())
        {
            return None;
        }
        let peer = Peer::new((self.peer_address)(request.extensions()));
        Some(Scope::new(
            self.towline.serve(request.headers(), &peer),
            request,
        ))
    }
}

impl<S, B, ResBody> Service<Request<B>> for Server<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<super::ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, polling: &mut Polling<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(polling)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.begin(&request) {
            None => ResponseFuture::new(self.inner.call(request), None),
            Some(mut scope) => {
                let entered = scope.enter();
                let inner = self.inner.call(request);
                drop(entered);
                ResponseFuture::new(inner, Some(scope))
            }
        }
    }
}
