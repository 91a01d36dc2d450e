//! What the counters come to.

use serde_json::{Map, Value};

use crate::Counters;
use crate::observer::Reason;

/// What the counters come to (spec/edge.md, "Status"): how many requests were read and went on, how
/// many calls carried a clock and were joined, and of what did not, why.
///
/// ```
/// use towline_core::{Config, Peer, Towline};
///
/// let towline = Towline::new(Config::new());
/// let _context = towline.accept::<[(&str, &str)]>(&[], &Peer::default());
/// let summary = towline.counters().summary();
/// assert_eq!((summary.received, summary.continued), (1, 0));
/// assert_eq!(summary.restarted, [("absent", 1)]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Requests and messages that were read.
    pub received: u64,
    /// Those whose trace went on.
    pub continued: u64,
    /// Those where it began anew, by reason.
    pub restarted: Vec<(&'static str, u64)>,
    /// Strands that ended because the caller went.
    pub cancelled: u64,
    /// Clocks that came and were not used, by reason.
    pub clock_dropped: Vec<(&'static str, u64)>,
    /// Clocks that were sent shortened.
    pub clock_cut: u64,
    /// Calls with a clock.
    pub sent: u64,
    /// Calls without one that should have had one, by reason.
    pub not_sent: Vec<(&'static str, u64)>,
    /// Calls without a current context.
    pub no_context: u64,
    /// Calls whose answer was joined.
    pub joined: u64,
    /// Calls whose answer could not be joined, by reason.
    pub lost: Vec<(&'static str, u64)>,
}

impl Summary {
    /// Each counter with its reason, if it has reasons, and its count: for metrics
    /// (`towline.<counter>` with the attribute `reason`). Reasons that never came are not there.
    ///
    /// ```
    /// use towline_core::{Counters, Observer, Reason};
    ///
    /// let counters = Counters::new();
    /// counters.on_dropped(Reason::SendWithheld);
    /// let summary = counters.summary();
    /// assert!(summary.iter().any(|row| row == ("not_sent", Some("withheld"), 1)));
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Option<&'static str>, u64)> {
        let rows = self.rows().into_iter();
        rows.flat_map(|(name, row)| match row {
            Row::Count(count) => vec![(name, None, count)],
            Row::Reasons(reasons) => reasons
                .iter()
                .map(|(reason, count)| (name, Some(*reason), *count))
                .collect(),
        })
    }

    /// The object of the status.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let rows = self.rows().into_iter().map(|(name, row)| {
            let value = match row {
                Row::Count(count) => count.into(),
                Row::Reasons(reasons) => reasons
                    .iter()
                    .map(|(reason, count)| ((*reason).to_owned(), Value::from(*count)))
                    .collect::<Map<_, _>>()
                    .into(),
            };
            (name.to_owned(), value)
        });
        Value::Object(rows.collect())
    }

    /// In the order of spec/edge.md.
    fn rows(&self) -> [(&'static str, Row<'_>); 11] {
        [
            ("received", Row::Count(self.received)),
            ("continued", Row::Count(self.continued)),
            ("restarted", Row::Reasons(&self.restarted)),
            ("cancelled", Row::Count(self.cancelled)),
            ("clock_dropped", Row::Reasons(&self.clock_dropped)),
            ("clock_cut", Row::Count(self.clock_cut)),
            ("sent", Row::Count(self.sent)),
            ("not_sent", Row::Reasons(&self.not_sent)),
            ("no_context", Row::Count(self.no_context)),
            ("joined", Row::Count(self.joined)),
            ("lost", Row::Reasons(&self.lost)),
        ]
    }
}

enum Row<'a> {
    Count(u64),
    Reasons(&'a [(&'static str, u64)]),
}

impl Counters {
    /// What they come to. They are read one after the other, while others may go on counting.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let acts = self.acts();
        let restarted = self.by_reason(|reason| reason.what() == "traceparent");
        let restarts: u64 = restarted.iter().map(|(_, count)| count).sum();
        Summary {
            received: acts.received,
            continued: acts.received.saturating_sub(restarts),
            restarted,
            cancelled: acts.cancelled,
            clock_dropped: self.by_reason(|reason| matches!(reason.what(), "clock" | "member")),
            clock_cut: self.get(Reason::SendCut),
            sent: acts.sent_with_clock,
            not_sent: self.by_reason(|reason| reason.what() == "send" && reason != Reason::SendCut),
            no_context: self.get(Reason::ContextNone),
            joined: acts.joined,
            lost: self.by_reason(|reason| reason.what() == "answer"),
        }
    }

    /// The reasons that came, in the order of the list; those of one name as one.
    fn by_reason(&self, counts: impl Fn(Reason) -> bool) -> Vec<(&'static str, u64)> {
        let mut rows: Vec<(&'static str, u64)> = Vec::new();
        for reason in Reason::ALL.iter().copied().filter(|reason| counts(*reason)) {
            let count = self.get(reason);
            let known = rows.iter_mut().find(|(name, _)| *name == reason.reason());
            match known {
                _ if count == 0 => {}
                Some((_, sum)) => *sum += count,
                None => rows.push((reason.reason(), count)),
            }
        }
        rows
    }
}
