use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Polling, Poll};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_layer::Layer;
use tower_service::Service;
use towline_core::{Expired, Setup, Towline};

/// Keeps calls to the deadline of the current context, where deadlines are on: with nothing left no
/// call is made, and one that is under way is given up. It belongs around a
/// [`ClientLayer`](crate::ClientLayer), above retries or below.
///
/// ```
/// use tower::ServiceBuilder;
/// use towline_core::{Config, Towline};
/// use towline_tower::{ClientLayer, DeadlineLayer};
///
/// let towline = Towline::new(Config::new().deadlines(true));
/// let client = ServiceBuilder::new()
///     .layer(DeadlineLayer::from(&towline))
///     .layer(ClientLayer::from(&towline));
/// # let _ = client;
/// ```
#[derive(Clone, Debug, Default)]
pub struct DeadlineLayer {
    setup: Setup,
}

impl DeadlineLayer {
    /// A layer by the settings of the environment.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// Shares an instance that there is already, with its counters and observers.
impl From<&Towline> for DeadlineLayer {
    fn from(towline: &Towline) -> Self {
        Self {
            setup: Setup::from(towline),
        }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline {
            inner,
            towline: self.setup.towline(),
        }
    }
}

/// A client that keeps to deadlines; made by [`DeadlineLayer`].
#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
    towline: Towline,
}

impl<S, Req> Service<Req> for Deadline<S>
where
    S: Service<Req>,
{
    type Response = S::Response;
    type Error = DeadlineError<S::Error>;
    type Future = DeadlineFuture<S::Future>;

    fn poll_ready(&mut self, polling: &mut Polling<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(polling).map_err(DeadlineError::Inner)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        match self.towline.time_left() {
            Err(Expired) => DeadlineFuture {
                inner: None,
                timer: None,
            },
            Ok(left) => DeadlineFuture {
                inner: Some(self.inner.call(request)),
                timer: left.map(sleep),
            },
        }
    }
}

pin_project! {
    /// The answer to come, until the deadline.
    pub struct DeadlineFuture<F> {
        // None where there was nothing left to begin with.
        #[pin]
        inner: Option<F>,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<F, T, E> Future for DeadlineFuture<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, DeadlineError<E>>;

    fn poll(self: Pin<&mut Self>, polling: &mut Polling<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(Err(DeadlineError::TimedOut));
        };
        if let Poll::Ready(result) = inner.poll(polling) {
            return Poll::Ready(result.map_err(DeadlineError::Inner));
        }
        let timer = this.timer.as_pin_mut().map(|timer| timer.poll(polling));
        if timer != Some(Poll::Ready(())) {
            return Poll::Pending;
        }
        // The call is given up now, not when its caller drops this.
        this.inner.set(None);
        Poll::Ready(Err(DeadlineError::TimedOut))
    }
}

impl<F> fmt::Debug for DeadlineFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineFuture")
            .field("timer", &self.timer)
            .finish_non_exhaustive()
    }
}

/// Why a call below a [`DeadlineLayer`] has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadlineError<E> {
    /// The deadline of the request is over.
    TimedOut,
    /// The client failed.
    Inner(E),
}

impl<E> fmt::Display for DeadlineError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the deadline of the request is over"),
            Self::Inner(_) => f.write_str("the call failed"),
        }
    }
}

impl<E: Error + 'static> Error for DeadlineError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TimedOut => None,
            Self::Inner(error) => Some(error),
        }
    }
}
