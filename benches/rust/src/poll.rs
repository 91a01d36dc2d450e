//! Runs futures on this thread, without a runtime: nothing that is measured in-process waits.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Body;

/// Polls until it is ready.
pub(crate) fn block_on<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    let mut polling = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = work.as_mut().poll(&mut polling) {
            return output;
        }
    }
}

/// Takes a body to its end, as a connection does. Its bytes go to `each`.
pub(crate) async fn drain<B: Body<Data = Bytes>>(
    body: B,
    mut each: impl FnMut(&[u8]),
) -> Result<(), B::Error> {
    let mut body = pin!(body);
    while let Some(frame) = std::future::poll_fn(|polling| body.as_mut().poll_frame(polling)).await
    {
        if let Some(data) = frame?.data_ref() {
            each(data);
        }
    }
    Ok(())
}
