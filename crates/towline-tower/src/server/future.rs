use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Polling, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use towline_core::Outcome;

use super::answer::answer;
use super::body::ResponseBody;
use super::scope::Scope;

pin_project! {
    /// The response of a [`Server`](super::Server) to come.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        scope: Option<Scope>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, scope: Option<Scope>) -> Self {
        Self { inner, scope }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, polling: &mut Polling<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(scope) = this.scope else {
            let response = ready!(this.inner.poll(polling));
            return Poll::Ready(response.map(|response| response.map(ResponseBody::untouched)));
        };
        let entered = scope.enter();
        let polled = this.inner.poll(polling);
        drop(entered);
        let result = ready!(polled);
        Poll::Ready(match (result, this.scope.take()) {
            (Ok(mut response), Some(mut scope)) => {
                let end_to_come = answer(scope.slot(), &mut response);
                let owes_trailer = end_to_come && scope.has_trailers();
                Ok(response.map(|body| ResponseBody::new(body, scope, owes_trailer)))
            }
            (Ok(response), None) => Ok(response.map(ResponseBody::untouched)),
            (Err(error), scope) => {
                if let Some(mut scope) = scope {
                    scope.slot().end(Outcome::Error);
                }
                Err(error)
            }
        })
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
