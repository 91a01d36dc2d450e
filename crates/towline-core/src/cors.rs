//! What a browser must be allowed.

use crate::headers::{BAGGAGE, RACEWAY_CLOCK, TOWLINE_TIMEOUT, TRACEPARENT, TRACESTATE};

/// What a browser must be allowed for its calls to carry a context; see [`cors_headers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CorsHeaders {
    /// For `Access-Control-Allow-Headers`.
    pub allow: [&'static str; 5],
    /// For `Access-Control-Expose-Headers`.
    pub expose: [&'static str; 3],
}

/// The names for `Access-Control-Allow-Headers` and `Access-Control-Expose-Headers`, to be added to
/// those that the application needs: any further header of a request makes a browser ask first.
///
/// ```
/// let cors = towline_core::cors_headers();
/// assert!(cors.allow.contains(&"traceparent") && cors.expose.contains(&"raceway-clock"));
/// ```
#[must_use]
pub const fn cors_headers() -> CorsHeaders {
    CorsHeaders {
        allow: [
            TRACEPARENT,
            TRACESTATE,
            RACEWAY_CLOCK,
            BAGGAGE,
            TOWLINE_TIMEOUT,
        ],
        expose: [RACEWAY_CLOCK, "traceresponse", "server-timing"],
    }
}
