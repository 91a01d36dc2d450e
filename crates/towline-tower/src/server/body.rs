use std::fmt;
use std::pin::Pin;
use std::task::{Context as Polling, Poll};

use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use towline_core::{Clock, Outcome};

use super::answer::put;
use super::scope::Scope;

pin_project! {
    /// A body in whose making the request's context is current; the strand ends with it, and its
    /// end goes into a trailer where the protocol has them (HTTP/2 and later).
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        scope: Option<Scope>,
        // Whether the end is still to be sent in a trailer.
        owes_trailer: bool,
    }
}

impl<B> ResponseBody<B> {
    /// A body that passes as it is.
    pub(super) fn untouched(inner: B) -> Self {
        Self {
            inner,
            scope: None,
            owes_trailer: false,
        }
    }

    /// `owes_trailer`: the head carried the clock so far, and a trailer may carry the end's.
    pub(super) fn new(inner: B, scope: Scope, owes_trailer: bool) -> Self {
        Self {
            inner,
            scope: Some(scope),
            owes_trailer,
        }
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
        let entered = scope.enter();
        let frame = this.inner.as_mut().poll_frame(polling);
        drop(entered);
        let outcome = match &frame {
            Poll::Pending => return frame,
            Poll::Ready(Some(Err(_))) => Outcome::Error,
            Poll::Ready(None) => Outcome::Ok,
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Outcome::Ok,
            // The last frame may be the end: nobody has to ask again, unless for a trailer.
            Poll::Ready(Some(Ok(_))) if this.inner.is_end_stream() && !*this.owes_trailer => {
                Outcome::Ok
            }
            Poll::Ready(Some(Ok(_))) => return frame,
        };
        let end = scope
            .slot()
            .end(outcome)
            .filter(|_| std::mem::take(this.owes_trailer));
        *this.scope = None;
        match end {
            Some(end) => frame.map(|last| with_trailer(last, end)),
            None => frame,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && !self.owes_trailer
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The last frame of a body with the end's clock in its trailers.
fn with_trailer<D, E>(
    last: Option<Result<Frame<D>, E>>,
    end: Clock,
) -> Option<Result<Frame<D>, E>> {
    let mut trailers = match last {
        None => HeaderMap::new(),
        Some(Ok(frame)) => match frame.into_trailers() {
            Ok(trailers) => trailers,
            Err(data) => return Some(Ok(data)),
        },
        Some(Err(error)) => return Some(Err(error)),
    };
    put(&mut trailers, end);
    Some(Ok(Frame::trailers(trailers)))
}

/// The empty body, untouched.
impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::untouched(B::default())
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
