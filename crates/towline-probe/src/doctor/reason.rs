//! What cures each reason of a counter (`spec/api.md`, "Observers").

/// Of a `traceparent` that came and was not used.
pub(super) fn restarted(reason: &str) -> &'static str {
    match reason {
        "duplicate" => {
            "let one middleware alone write traceparent in the caller, and let no proxy add a second one"
        }
        "malformed" | "zero_id" | "b3_malformed" => {
            "let the caller's client middleware write the header, and nothing else; `towline probe` shows which hop changes it"
        }
        "untrusted" => {
            "right at the edge; inside, let the trust function continue the traces of your own peers"
        }
        _ => "run `towline probe` through the chain: it names the hop that broke the trace off",
    }
}

/// Of a clock that came with a request and was not used.
pub(super) fn clock_dropped(reason: &str) -> &'static str {
    match reason {
        "duplicate" => {
            "let one middleware alone write raceway-clock in the caller, and let no proxy copy it"
        }
        "too_long" | "over_limits" => {
            "give sender and receiver the same limits (TOWLINE_HEADER_BYTES_MAX)"
        }
        "version" => "bring the older of the two to the newer version of Towline",
        "other_trace" => {
            "something rewrites traceparent and leaves the clock: let it pass both on, or neither"
        }
        "no_traceparent" => "something takes traceparent out and leaves the clock: let both pass",
        "untrusted" => {
            "right at the edge; inside, let the trust function continue the traces of your own peers"
        }
        _ => {
            "let the client middleware write the header, and nothing else; `towline probe` shows which hop changes it"
        }
    }
}

/// Of a clock that did not go with a call.
pub(super) fn not_sent(reason: &str) -> &'static str {
    match reason {
        "too_long" => {
            "raise TOWLINE_HEADER_BYTES_MAX on both sides, or make fewer calls at once in one strand: `fork` them"
        }
        _ => {
            "make fewer calls at once in one strand: `fork` them, and `detach` what nobody waits for"
        }
    }
}

/// Of an answer whose clock was not used.
pub(super) fn lost(reason: &str) -> &'static str {
    match reason {
        "duplicate" => "let no proxy copy raceway-clock on responses",
        "too_long" | "over_limits" => {
            "give caller and callee the same limits (TOWLINE_HEADER_BYTES_MAX)"
        }
        "version" => "bring the older of the two to the newer version of Towline",
        "other_strand" | "other_trace" => {
            "an answer of another call came back: look for a cache or a proxy that keeps responses with raceway-clock"
        }
        _ => "let raceway-clock pass unchanged on responses",
    }
}
