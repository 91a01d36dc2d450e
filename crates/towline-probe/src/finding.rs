//! One thing that went wrong, and all that follows from it.

use std::fmt;

use crate::Cause;

/// The most hops, and the most consequences, that one finding names.
const NAMED_MAX: usize = 8;

/// Where a finding is, in hop numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// On the way from a caller to those that it called.
    Between {
        /// The caller's number; 0 is the prober.
        caller: usize,
        /// The callees' numbers, ascending, at least one.
        callees: Vec<usize>,
    },
    /// In this hop.
    At(usize),
}

/// `between 3 and 4`, `at 4`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(hop) => write!(f, "at {hop}"),
            Self::Between { caller, callees } => {
                write!(f, "between {caller} and ")?;
                for (n, callee) in callees.iter().take(NAMED_MAX).enumerate() {
                    write!(f, "{}{callee}", if n > 0 { ", " } else { "" })?;
                }
                match callees.len().checked_sub(NAMED_MAX) {
                    None | Some(0) => Ok(()),
                    Some(more) => write!(f, " and {more} more"),
                }
            }
        }
    }
}

/// One fault: what is its cause, where it is and which hop did it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What went wrong.
    pub cause: Cause,
    /// Where.
    pub place: Place,
    /// The hop that did it; none where it happened on the way between two.
    pub hop: Option<usize>,
    /// What was seen, as a sentence without its point: `go#go-1 called 127.0.0.1:6004 without
    /// traceparent`. At most some hundred characters, without control characters.
    pub what: String,
    /// What helps.
    pub fix: String,
    follows: Vec<String>,
    follow_count: usize,
    unordered_count: usize,
}

impl Finding {
    /// The first callee, where it is on the way to one.
    pub(crate) fn callee(&self) -> Option<usize> {
        match &self.place {
            Place::Between { callees, .. } => callees.first().copied(),
            Place::At(_) => None,
        }
    }

    /// What follows from it and is no finding of its own: up to eight sentences.
    #[must_use]
    pub fn follows(&self) -> Vec<String> {
        let mut all = self.follows.clone();
        if self.follow_count > all.len() {
            all.push(format!("{} more like these", self.follow_count - all.len()));
        }
        match self.unordered_count {
            0 => {}
            1 => all.push("the order of 1 pair of hops is not proved".to_owned()),
            n => all.push(format!("the order of {n} pairs of hops is not proved")),
        }
        all
    }
}

/// The findings of one probe while it is checked. Those of one cause in one hop are one.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

/// A finding that others may follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FindingId(usize);

impl Findings {
    pub(crate) fn add(&mut self, new: New) -> FindingId {
        let New {
            cause,
            place,
            hop,
            what,
            fix,
        } = new;
        for (id, known) in self.0.iter_mut().enumerate() {
            if (known.cause, known.hop) != (cause, hop) {
                continue;
            }
            match (&mut known.place, &place) {
                (Place::At(a), Place::At(b)) if a == b => return FindingId(id),
                (
                    Place::Between { caller: a, callees },
                    Place::Between {
                        caller: b,
                        callees: new,
                    },
                ) if a == b => {
                    callees.extend(new);
                    return FindingId(id);
                }
                _ => {}
            }
        }
        self.0.push(Finding {
            cause,
            place,
            hop,
            what,
            fix,
            follows: Vec::new(),
            follow_count: 0,
            unordered_count: 0,
        });
        FindingId(self.0.len() - 1)
    }

    /// Says what follows from a finding.
    pub(crate) fn follow(&mut self, id: FindingId, what: String) {
        if let Some(finding) = self.0.get_mut(id.0) {
            finding.follow_count += 1;
            if finding.follows.len() < NAMED_MAX {
                finding.follows.push(what);
            }
        }
    }

    /// One more pair of hops cannot be put in order because of a finding.
    pub(crate) fn unordered(&mut self, id: FindingId) {
        if let Some(finding) = self.0.get_mut(id.0) {
            finding.unordered_count += 1;
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}

/// A finding to add.
pub(crate) struct New {
    pub(crate) cause: Cause,
    pub(crate) place: Place,
    pub(crate) hop: Option<usize>,
    pub(crate) what: String,
    pub(crate) fix: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(caller: usize, callee: usize) -> New {
        New {
            cause: Cause::TraceparentNotSent,
            place: Place::Between {
                caller,
                callees: vec![callee],
            },
            hop: Some(caller),
            what: format!("call to {callee}"),
            fix: String::new(),
        }
    }

    #[test]
    fn one_fault_of_one_hop_is_one_finding() {
        let mut findings = Findings::default();
        let first = findings.add(lost(1, 2));
        assert_eq!(findings.add(lost(1, 3)), first);
        assert_ne!(findings.add(lost(2, 4)), first);
        let all = findings.into_vec();
        assert_eq!(all[0].place.to_string(), "between 1 and 2, 3");
        assert_eq!(all[0].what, "call to 2");
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn what_follows_is_bounded() {
        let mut findings = Findings::default();
        let id = findings.add(lost(1, 2));
        for n in 0..1_000 {
            findings.follow(id, format!("{n}"));
            findings.unordered(id);
        }
        let follows = findings.into_vec()[0].follows();
        assert_eq!(follows.len(), NAMED_MAX + 2);
        assert_eq!(follows[8], "992 more like these");
        assert_eq!(follows[9], "the order of 1000 pairs of hops is not proved");
    }

    #[test]
    fn a_place_names_a_bounded_number_of_callees() {
        let place = Place::Between {
            caller: 1,
            callees: (2..40).collect(),
        };
        assert_eq!(
            place.to_string(),
            "between 1 and 2, 3, 4, 5, 6, 7, 8, 9 and 30 more"
        );
    }
}
