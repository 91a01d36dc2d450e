//! What one client or producer span sends.

use towline_core::{Call, Fork};

use crate::line::Forked;

/// How many clocks one span may send: a client that tries again does so below one span.
const SENT_MAX: usize = 64;

/// The forks of a client or producer span.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) fork: Fork,
    /// Where it calls, if its span says so.
    pub(crate) host: Option<String>,
    /// The fork that the span began with, until its clock goes out.
    ready: Option<Forked>,
    sent: Vec<Sent>,
}

/// A clock that went out, and of which no answer will be seen.
#[derive(Debug)]
pub(crate) enum Sent {
    Forked(Forked),
    /// From a request that Towline serves.
    Call(Call),
}

impl Sent {
    /// What the callee did cannot be told: its answer is out of sight. `status`: that of the answer,
    /// 0 where the span does not say.
    pub(crate) fn end(self, status: u16) {
        match self {
            Self::Forked(forked) => forked.lose(),
            Self::Call(mut call) => {
                call.answered(status, []);
            }
        }
    }
}

impl Calls {
    pub(crate) fn new(fork: Fork, host: Option<String>, ready: Option<Forked>) -> Self {
        Self {
            fork,
            host,
            ready,
            sent: Vec::new(),
        }
    }

    /// The fork that the span began with; none if it was sent before.
    pub(crate) fn take_ready(&mut self) -> Option<Forked> {
        self.ready.take()
    }

    /// Remembers a clock that went out until the span ends.
    pub(crate) fn keep(&mut self, sent: Sent) {
        if self.fork == Fork::Detached {
            // Nobody waits for it.
            return;
        }
        if self.sent.len() < SENT_MAX {
            self.sent.push(sent);
        } else {
            sent.end(0);
        }
    }

    /// The span has ended.
    pub(crate) fn end(self, status: u16) {
        if let Some(ready) = self.ready {
            ready.withdraw();
        }
        for sent in self.sent {
            sent.end(status);
        }
    }
}
