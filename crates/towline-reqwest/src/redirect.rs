//! Redirects, one attempt each.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap,
    LOCATION, PROXY_AUTHORIZATION, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use http::{Method, StatusCode};
use reqwest::{Request, Response, Url};
use towline_core::{BAGGAGE, TOWLINE_PROBE, TOWLINE_TIMEOUT, Towline};

/// Redirects that are followed for one request.
pub(crate) const REDIRECTS_MAX: u32 = 20;

/// An answer redirects for the 21st time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRedirects;

impl fmt::Display for TooManyRedirects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {REDIRECTS_MAX} redirects")
    }
}

impl Error for TooManyRedirects {}

/// A request as the application made it, kept for redirects.
pub(crate) struct Original {
    request: Request,
    /// False where the body can be sent only once.
    has_body: bool,
    begun_at: Instant,
}

impl Original {
    pub(crate) fn of(request: &Request) -> Self {
        let whole = request.try_clone();
        let has_body = whole.is_some();
        Self {
            request: whole.unwrap_or_else(|| bodiless(request)),
            has_body,
            begun_at: Instant::now(),
        }
    }

    /// The request to which this answer redirects; none if it does not, or not to where it can be
    /// followed: the answer is then the last one.
    pub(crate) fn next(&mut self, answer: &Response, towline: &Towline) -> Option<Request> {
        let status = answer.status();
        let location = answer.headers().get(LOCATION)?;
        let was_at = answer.url();
        let to = was_at.join(str_of(location.as_bytes())?).ok()?;
        if !matches!(to.scheme(), "http" | "https") {
            return None;
        }
        let method = self.request.method();
        match status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if *method == Method::POST => {
                self.becomes_get();
            }
            StatusCode::SEE_OTHER if *method != Method::HEAD => self.becomes_get(),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
                if self.has_body => {}
            _ => return None,
        }
        forget(self.request.headers_mut(), was_at, &to, towline);
        *self.request.url_mut() = to;
        let mut next = self.request.try_clone()?;
        // Of the time for one request, what is left.
        let passed = self.begun_at.elapsed();
        if let Some(timeout) = next.timeout_mut() {
            *timeout = timeout.saturating_sub(passed).max(Duration::from_millis(1));
        }
        Some(next)
    }

    fn becomes_get(&mut self) {
        if *self.request.method() != Method::GET {
            *self.request.method_mut() = Method::GET;
        }
        *self.request.body_mut() = None;
        self.has_body = true;
        let headers = self.request.headers_mut();
        for name in [
            CONTENT_TYPE,
            CONTENT_LENGTH,
            CONTENT_ENCODING,
            TRANSFER_ENCODING,
        ] {
            headers.remove(name);
        }
    }
}

fn str_of(location: &[u8]) -> Option<&str> {
    std::str::from_utf8(location).ok()
}

fn bodiless(request: &Request) -> Request {
    let mut clone = Request::new(request.method().clone(), request.url().clone());
    *clone.headers_mut() = request.headers().clone();
    *clone.version_mut() = request.version();
    *clone.timeout_mut() = request.timeout().copied();
    clone
}

/// What was meant for one host is not for another.
fn forget(headers: &mut HeaderMap, from: &Url, to: &Url, towline: &Towline) {
    let origin = |url: &Url| {
        let host = url.host_str().map(str::to_owned);
        (url.scheme().to_owned(), host, url.port_or_known_default())
    };
    if origin(from) == origin(to) {
        return;
    }
    for name in [
        AUTHORIZATION,
        COOKIE,
        HOST,
        PROXY_AUTHORIZATION,
        WWW_AUTHENTICATE,
    ] {
        headers.remove(name);
    }
    headers.remove("cookie2");
    let host = to.host_str().unwrap_or_default();
    if !towline.settings().propagate_to.allows(host) {
        for name in [BAGGAGE, TOWLINE_PROBE, TOWLINE_TIMEOUT] {
            headers.remove(name);
        }
    }
}
