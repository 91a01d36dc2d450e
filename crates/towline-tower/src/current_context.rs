use std::fmt;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use towline_core::Context;

/// The context of the request, as an axum extractor.
///
/// Without a [`ServerLayer`](crate::ServerLayer) around the route the request is answered with
/// status 500 and a sentence that says so; `Option<CurrentContext>` is none then.
#[derive(Clone, Debug)]
pub struct CurrentContext(pub Context);

impl<S: Sync> FromRequestParts<S> for CurrentContext {
    type Rejection = NoContext;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, NoContext> {
        Context::current().map(Self).ok_or(NoContext)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for CurrentContext {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(Context::current().map(Self))
    }
}

/// There is no `ServerLayer` around the route, or it left the request out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoContext;

impl fmt::Display for NoContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no trace context: there is no towline ServerLayer around this route, or its filter left it out")
    }
}

impl std::error::Error for NoContext {}

impl IntoResponse for NoContext {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}
