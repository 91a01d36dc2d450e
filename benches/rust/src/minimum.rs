//! The least that a propagating layer can do, by hand: read `traceparent`, keep it where the code
//! below finds it, make a span id for each call. What others do is measured against it.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

const PARENT: HeaderName = HeaderName::from_static("traceparent");

/// A place in a trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    trace_id: u128,
    /// Of the request itself; whoever records spans would ask for it.
    #[expect(
        dead_code,
        reason = "made because a span has one, though nobody records it here"
    )]
    span_id: u64,
    flags: u8,
}

thread_local! {
    static CURRENT: Cell<Option<Place>> = const { Cell::new(None) };
}

impl Place {
    pub(crate) fn current() -> Option<Self> {
        CURRENT.get()
    }

    /// The place of whoever handles a request with these headers.
    pub(crate) fn of_request(headers: &HeaderMap) -> Option<Self> {
        let value: &[u8; 55] = headers.get(PARENT)?.as_bytes().try_into().ok()?;
        let (b"00-", rest) = value.split_first_chunk()? else {
            return None;
        };
        let (high, rest) = rest.split_first_chunk()?;
        let (low, rest) = rest.split_first_chunk()?;
        let (parent_id, rest) = rest.strip_prefix(b"-")?.split_first_chunk()?;
        let flags: &[u8; 2] = rest.strip_prefix(b"-")?.try_into().ok()?;
        let trace_id = u128::from(number::<16>(high)?) << 64 | u128::from(number::<16>(low)?);
        let parent_id: u64 = number::<16>(parent_id)?;
        let place = Self {
            trace_id,
            span_id: fastrand::u64(1..),
            flags: number(flags)?.to_le_bytes()[0],
        };
        (trace_id != 0 && parent_id != 0).then_some(place)
    }

    /// The header of a call from here.
    pub(crate) fn traceparent(self) -> HeaderValue {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write(&mut text, 3..35, self.trace_id);
        write(&mut text, 36..52, fastrand::u64(1..).into());
        write(&mut text, 53..55, self.flags.into());
        HeaderValue::from_bytes(&text).expect("digits and dashes")
    }

    pub(crate) fn inject(self, headers: &mut HeaderMap) {
        headers.insert(PARENT, self.traceparent());
    }

    /// Runs `work` with this place current.
    pub(crate) fn scope<T>(self, work: impl FnOnce() -> T) -> T {
        let outer = CURRENT.replace(Some(self));
        let output = work();
        CURRENT.set(outer);
        output
    }
}

/// Lower-case hexadecimal digits, at most 16. Looked up, and judged once at the end: a third of
/// the time that a branch for each digit takes.
fn number<const DIGITS: usize>(digits: &[u8; DIGITS]) -> Option<u64> {
    let mut number = 0;
    let mut seen = 0;
    for &digit in digits {
        let value = VALUES.get(usize::from(digit)).copied().unwrap_or(NONE);
        number = number << 4 | u64::from(value);
        seen |= value;
    }
    (seen < NONE).then_some(number)
}

/// What no digit is worth.
const NONE: u8 = 16;

/// What each byte is worth as a digit.
#[expect(
    clippy::indexing_slicing,
    reason = "of a constant: out of bounds would not compile"
)]
static VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let digits = b"0123456789abcdef";
    let mut value = 0;
    while value < 16 {
        values[digits[value as usize] as usize] = value;
        value += 1;
    }
    values
};

fn write(text: &mut [u8], at: std::ops::Range<usize>, mut number: u128) {
    for digit in text.get_mut(at).into_iter().flatten().rev() {
        let value = (number & 15) as u8;
        *digit = if value < 10 {
            b'0' + value
        } else {
            b'a' - 10 + value
        };
        number >>= 4;
    }
}

/// Keeps the place of each request.
#[derive(Clone, Debug)]
pub(crate) struct ServerLayer;

impl<S> Layer<S> for ServerLayer {
    type Service = Server<S>;

    fn layer(&self, inner: S) -> Server<S> {
        Server { inner }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Server<S> {
    inner: S,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Server<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Scoped<S::Future>;

    fn poll_ready(&mut self, polling: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(polling)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let place = Place::of_request(request.headers());
        let work = match place {
            Some(place) => place.scope(|| self.inner.call(request)),
            None => self.inner.call(request),
        };
        Scoped { work, place }
    }
}

pin_project! {
    /// A future in whose polls a place is current.
    #[derive(Debug)]
    pub(crate) struct Scoped<F> {
        #[pin]
        work: F,
        place: Option<Place>,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, polling: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match *this.place {
            Some(place) => place.scope(|| this.work.poll(polling)),
            None => this.work.poll(polling),
        }
    }
}

/// Puts the current place on each call.
#[derive(Clone, Debug)]
pub(crate) struct ClientLayer;

impl<S> Layer<S> for ClientLayer {
    type Service = Client<S>;

    fn layer(&self, inner: S) -> Client<S> {
        Client { inner }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Client<S> {
    inner: S,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Client<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, polling: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(polling)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(place) = Place::current() {
            place.inject(request.headers_mut());
        }
        self.inner.call(request)
    }
}
