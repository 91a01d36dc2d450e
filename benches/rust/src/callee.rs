//! The service that is called: what it answers to a clock.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use towline_core::{Clock, Component, RACEWAY_CLOCK, Strand};

const CLOCK: HeaderName = HeaderName::from_static(RACEWAY_CLOCK);
const CALLEE: &str = ", stock#stock-1/0badcafe:2;e";

/// The answer of a callee that did nothing but start and end.
pub(crate) fn answer(sent: &str) -> Result<String> {
    let component = Component::new("stock", "stock-1");
    let mut strand = Strand::start(&Clock::parse(sent)?, &component, 0x0bad_cafe, false);
    strand.end()?;
    Ok(strand.clock().into_string())
}

/// The response to a request with these headers: with a clock, if one came.
pub(crate) fn respond<B>(headers: &HeaderMap, body: B) -> Response<B> {
    let mut response = Response::new(body);
    if let Some(sent) = headers.get(CLOCK) {
        if let Ok(answer) = HeaderValue::from_maybe_shared(cheap_answer(sent.as_bytes())) {
            response.headers_mut().insert(CLOCK, answer);
        }
    }
    response
}

/// The answer to a call that is the only one in flight, at the price of a copy: the callee's own
/// work would drown what is measured.
fn cheap_answer(sent: &[u8]) -> Bytes {
    let own = sent
        .iter()
        .rposition(|&byte| byte == b';')
        .unwrap_or(sent.len());
    let (path, _in_flight) = sent.split_at(own);
    Bytes::from([path, CALLEE.as_bytes()].concat())
}

/// Whether the cheap answer to what was sent is the true one.
pub(crate) fn check(sent: &str) -> Result<()> {
    let cheap = String::from_utf8(cheap_answer(sent.as_bytes()).to_vec())?;
    let answer = answer(sent)?;
    anyhow::ensure!(
        cheap == answer,
        "to {sent} the answer is {answer}, not {cheap}"
    );
    Clock::parse(&cheap).context("the answer is a clock")?;
    Ok(())
}
