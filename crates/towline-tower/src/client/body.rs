use std::fmt;
use std::pin::Pin;
use std::task::{Context as Polling, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use towline_core::{Call, Field, Headers};

pin_project! {
    /// The body of an answer. Where the callee's end came neither with the head nor in a trailer,
    /// what it did cannot be told once the body has ended, or is dropped.
    pub struct AnswerBody<B> {
        #[pin]
        inner: B,
        call: Option<Call>,
    }
}

impl<B> AnswerBody<B> {
    pub(super) fn new(inner: B, call: Option<Call>) -> Self {
        Self { inner, call }
    }
}

impl<B: Body> Body for AnswerBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        polling: &mut Polling<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = this.inner.poll_frame(polling);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(trailers), Some(call)) = (frame.trailers_ref(), this.call) {
                    call.trailers(trailers.fields(Field::RacewayClock));
                }
            }
            Poll::Ready(None | Some(Err(_))) => *this.call = None,
            Poll::Pending => {}
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

impl<B> fmt::Debug for AnswerBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}
