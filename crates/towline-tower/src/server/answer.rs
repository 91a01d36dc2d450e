//! What goes back to the caller on the response's head.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::Body;
use towline_core::{Clock, Context, Outcome, RACEWAY_CLOCK, Slot, TOWLINE_HOPS, Traceparent};

const CLOCK: HeaderName = HeaderName::from_static(RACEWAY_CLOCK);
const HOPS: HeaderName = HeaderName::from_static(TOWLINE_HOPS);
const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Ends the strand if the length of the body is known, and puts its clock on the head. Whether the
/// end is still to come, and may go into a trailer.
pub(super) fn answer<B: Body>(slot: &mut Slot, response: &mut Response<B>) -> bool {
    let body = response.body();
    let sized = body.is_end_stream() || body.size_hint().exact().is_some();
    let outcome = outcome(response.status());
    let clock = if sized {
        slot.end(outcome)
    } else {
        slot.answer_so_far()
    };
    let clock = clock.filter(|_| !may_be_shared(response));
    if let Some(hops) = slot.hops().filter(|_| !may_be_shared(response)) {
        put_hops(response.headers_mut(), hops);
    }
    let answers = clock.is_some();
    if let Some(clock) = clock {
        put(response.headers_mut(), clock);
    }
    if slot.names_its_trace() {
        if let Some(context) = slot.context() {
            put_trace(response.headers_mut(), context);
        }
    }
    answers && !sized
}

/// A server's own failure is an error; what the caller did wrong is not.
fn outcome(status: StatusCode) -> Outcome {
    if status.is_server_error() {
        Outcome::Error
    } else {
        Outcome::Ok
    }
}

/// Whether a shared cache may keep the response, and so give the clock to others.
fn may_be_shared<B>(response: &Response<B>) -> bool {
    let shared = |value: &HeaderValue| {
        value
            .as_bytes()
            .split(|&byte| byte == b',')
            .any(|directive| {
                let directive = directive.trim_ascii();
                let name = directive
                    .split(|&byte| byte == b'=')
                    .next()
                    .unwrap_or_default()
                    .trim_ascii();
                name.eq_ignore_ascii_case(b"public") || name.eq_ignore_ascii_case(b"s-maxage")
            })
    };
    // An answer has few fields: to walk over them costs less than one look-up.
    let mut fields = response.headers().iter();
    response.status() == StatusCode::NOT_MODIFIED
        || fields.any(|(name, value)| name == CACHE_CONTROL && shared(value))
}

pub(super) fn put(headers: &mut HeaderMap, clock: Clock) {
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(clock.into_string())) {
        headers.insert(CLOCK, value);
    }
}

/// What the service saw, for whoever asked.
fn put_hops(headers: &mut HeaderMap, hops: String) {
    if let Ok(value) = HeaderValue::try_from(hops) {
        headers.insert(HOPS, value);
    }
}

/// `traceresponse` and `Server-Timing: trace;desc=…`, beside what the application set.
fn put_trace(headers: &mut HeaderMap, context: &Context) {
    let trace = Traceparent::new(context.trace_id(), context.span_id(), context.flags());
    if let Ok(value) = HeaderValue::from_str(trace.as_str()) {
        headers.append(TRACE_RESPONSE, value);
    }
    if let Ok(value) = HeaderValue::try_from(format!("trace;desc={trace}")) {
        headers.append(SERVER_TIMING, value);
    }
}
