use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Polling, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use towline_core::Call;

use super::body::AnswerBody;

pin_project! {
    /// The answer to a [`Client`](super::Client)'s call to come. Dropped before it came, the call
    /// was given up.
    pub struct AnswerFuture<F> {
        #[pin]
        inner: F,
        call: Option<Call>,
    }
}

impl<F> AnswerFuture<F> {
    pub(super) fn new(inner: F, call: Option<Call>) -> Self {
        Self { inner, call }
    }
}

impl<F, B, E> Future for AnswerFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<AnswerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, polling: &mut Polling<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let attempt = this.call.as_ref().map(Call::enter);
        let polled = this.inner.poll(polling);
        drop(attempt);
        let result = ready!(polled);
        let call = this.call.take();
        Poll::Ready(match result {
            Ok(response) => Ok(answered(response, call)),
            Err(error) => {
                call.into_iter().for_each(Call::failed);
                Err(error)
            }
        })
    }
}

fn answered<B: Body>(response: Response<B>, mut call: Option<Call>) -> Response<AnswerBody<B>> {
    if let Some(call) = &mut call {
        call.answered_by(response.status().as_u16(), response.headers());
    }
    response.map(|body| AnswerBody::new(body, call))
}

impl<F> fmt::Debug for AnswerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerFuture")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}
