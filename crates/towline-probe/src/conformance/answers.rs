//! How the calls of a case are answered.

use towline_core::{Clock, Component, SpanId, Strand};

use super::exchange::{Head, Reply};

/// What an answer brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answering {
    /// The callee's end.
    Ended,
    /// The same, with a status that is no success.
    Failed(u16),
    /// No clock.
    Nothing,
    /// The callee's end, twice.
    Twice,
    /// The callee's clock, not ended.
    NotEnded,
    /// Bytes that are no clock.
    Malformed,
    /// A clock of a version to come.
    Version,
    /// The clock that came with the call.
    Echo,
    /// The end of a strand of another trace.
    OtherTrace,
    /// The end of a strand that this call did not start.
    OtherStrand,
    /// No answer.
    Close,
}

impl Answering {
    pub(super) fn reply(self, call: &Head) -> Reply {
        let received = match call.all("raceway-clock").as_slice() {
            [clock] => Clock::parse(clock).ok(),
            _ => None,
        };
        let callee = |sender: &Clock, ended: bool| {
            let component = Component::new("callee", "kit");
            let mut strand = Strand::start(sender, &component, SpanId::random().low32(), false);
            if ended {
                // A strand that has just begun has not ended.
                let _ = strand.end();
            }
            strand.clock().into_string()
        };
        let end = |sender: &Clock| callee(sender, true);
        let foreign = |trace: u32| {
            let first = Strand::first(
                &Component::new("else", "kit"),
                SpanId::random().low32(),
                trace,
            );
            end(&first.clock())
        };
        let clocks = match (self, &received) {
            (Self::Close, _) => return Reply::Close,
            (Self::Nothing, _) | (_, None) => Vec::new(),
            (Self::Ended | Self::Failed(_), Some(clock)) => vec![end(clock)],
            (Self::Twice, Some(clock)) => {
                let end = end(clock);
                vec![end.clone(), end]
            }
            (Self::NotEnded, Some(clock)) => vec![callee(clock, false)],
            (Self::Malformed, Some(_)) => vec!["v2;t=hello".to_owned()],
            (Self::Version, Some(clock)) => vec![end(clock).replacen("v2;", "v9;", 1)],
            (Self::Echo, Some(clock)) => vec![clock.as_str().to_owned()],
            (Self::OtherTrace, Some(clock)) => vec![foreign(!clock.trace())],
            (Self::OtherStrand, Some(clock)) => vec![foreign(clock.trace())],
        };
        let status = match self {
            Self::Failed(status) => status,
            _ => 200,
        };
        Reply::Answer { status, clocks }
    }
}
