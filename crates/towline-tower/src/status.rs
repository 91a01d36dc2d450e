use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context as Polling, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower_service::Service;
use towline_core::Towline;

/// Answers `GET` with what an instance says of itself: settings and counters as JSON, without any
/// secret. Mount it where whoever may ask can reach it:
///
/// ```
/// use axum::{Router, routing::get};
/// use towline_core::{Config, STATUS_PATH, Towline};
/// use towline_tower::Status;
///
/// let towline = Towline::new(Config::new());
/// let app: Router = Router::new().route_service(STATUS_PATH, Status::from(&towline));
/// # let _ = app;
/// // With the feature `axum` also as the answer of a handler:
/// # #[cfg(feature = "axum")] {
/// let app: Router = Router::new().route("/status", get(async move || Status::from(&towline)));
/// # let _ = app; }
/// # let _ = get::<fn() -> std::future::Ready<()>, _, ()>;
/// ```
#[derive(Clone, Debug)]
pub struct Status {
    towline: Towline,
}

impl From<&Towline> for Status {
    fn from(towline: &Towline) -> Self {
        Self {
            towline: towline.clone(),
        }
    }
}

impl Status {
    /// The answer, as it stands now.
    #[must_use]
    pub fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.towline.status()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl<B> Service<Request<B>> for Status {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Polling<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return ready(Ok(self.response()));
        }
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        ready(Ok(response))
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Status {
    fn into_response(self) -> axum_core::response::Response {
        self.response().into_response()
    }
}
