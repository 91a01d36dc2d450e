use std::fmt;
use std::pin::Pin;
use std::task::{Context as Polling, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use towline_core::Outcome;

use super::scope::Scope;

pin_project! {
    /// A body in whose making the request's context is current; the strand ends with it.
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        scope: Option<Scope>,
    }
}

impl<B> ResponseBody<B> {
    pub(super) fn new(inner: B, scope: Option<Scope>) -> Self {
        Self { inner, scope }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        polling: &mut Polling<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(scope) = this.scope else {
            return this.inner.poll_frame(polling);
        };
        let frame = scope.run(|| this.inner.as_mut().poll_frame(polling));
        let outcome = match &frame {
            Poll::Ready(None) => Some(Outcome::Ok),
            Poll::Ready(Some(Err(_))) => Some(Outcome::Error),
            // The last frame may be the end: nobody has to ask again.
            Poll::Ready(Some(Ok(_))) if this.inner.is_end_stream() => Some(Outcome::Ok),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => None,
        };
        if let Some(outcome) = outcome {
            scope.context().end(outcome);
            *this.scope = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The empty body, untouched.
impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::new(B::default(), None)
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
