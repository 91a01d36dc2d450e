use std::sync::Arc;
use std::task::{Context as Polling, Poll};

use http::header::HOST;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;
use towline_core::{Call, Towline};

use super::body::AnswerBody;
use super::future::AnswerFuture;

/// How many attempts went before this one for the same request: an extension of requests, which a
/// retry or redirect policy above may set, for only it knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResendCount(pub u32);

/// A client whose calls carry the context; made by [`ClientLayer`](super::ClientLayer).
#[derive(Clone, Debug)]
pub struct Client<S> {
    inner: S,
    towline: Towline,
    /// Of requests that name none.
    host: Option<Arc<str>>,
}

impl<S> Client<S> {
    pub(super) fn new(inner: S, towline: Towline, host: Option<Arc<str>>) -> Self {
        Self {
            inner,
            towline,
            host,
        }
    }

    /// The instance, for its counters.
    pub fn towline(&self) -> &Towline {
        &self.towline
    }

    /// The attempt that a request is, unless it is to pass untouched.
    fn begin<B>(&self, request: &mut Request<B>) -> Option<Call> {
        let headers = request.headers();
        let authority = || Some(request.uri().authority()?.as_str());
        let named = || headers.get(HOST)?.to_str().ok();
        let host = authority().or_else(named).or(self.host.as_deref());
        // What stands before `@` is nobody's business.
        let host = host.and_then(|host| host.rsplit('@').next());
        let resent = request.extensions().get::<ResendCount>();
        let call = self.towline.attempt_again(
            headers,
            host.unwrap_or_default(),
            resent.map_or(0, |resent| resent.0),
        )?;
        call.inject(request.headers_mut());
        Some(call)
    }
}

impl<S, B, AnsBody> Service<Request<B>> for Client<S>
where
    S: Service<Request<B>, Response = Response<AnsBody>>,
    AnsBody: Body,
{
    type Response = Response<AnswerBody<AnsBody>>;
    type Error = S::Error;
    type Future = AnswerFuture<S::Future>;

    fn poll_ready(&mut self, polling: &mut Polling<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(polling)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let call = self.begin(&mut request);
        let attempt = call.as_ref().map(Call::enter);
        let inner = self.inner.call(request);
        drop(attempt);
        AnswerFuture::new(inner, call)
    }
}
