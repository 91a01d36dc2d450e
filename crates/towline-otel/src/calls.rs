//! What one client or producer span sends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use towline_core::Fork;

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
    /// Clocks that went out, and of which no answer will be seen.
    sent: Vec<Forked>,
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
    pub(crate) fn keep(&mut self, sent: Forked) {
        if self.fork == Fork::Detached {
            // Nobody waits for it.
            return;
        }
        if self.sent.len() < SENT_MAX {
            self.sent.push(sent);
        } else {
            sent.lose();
        }
    }

    /// Towline's client sends in this span's place: what was put into its headers before is
    /// replaced, and never leaves.
    pub(crate) fn step_aside(&mut self) {
        for forked in self.ready.take().into_iter().chain(self.sent.drain(..)) {
            forked.withdraw();
        }
    }

    /// The span has ended.
    pub(crate) fn end(&mut self) {
        if let Some(ready) = self.ready.take() {
            ready.withdraw();
        }
        for sent in self.sent.drain(..) {
            sent.lose();
        }
    }
}

/// What a span has sent is whole between any two of its acts.
pub(crate) fn lock(calls: &Mutex<Calls>) -> MutexGuard<'_, Calls> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}
