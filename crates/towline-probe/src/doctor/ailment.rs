//! What can be off, each told apart.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth a look: it may be meant.
    Note,
    /// Something is lost, or will be.
    Warning,
    /// Nothing works until it is cured.
    Error,
}

impl Severity {
    /// `note`, `warning` or `error`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Its word.
impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is off. Each has a code that stays its own, and a line for why it matters.
///
/// ```
/// use towline_probe::{Ailment, Severity};
///
/// assert_eq!(Ailment::Disabled.code(), "TW-D003");
/// assert_eq!(Ailment::Disabled.severity(), Severity::Error);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ailment {
    /// Nothing answers there.
    NotReached,
    /// Something answers, and says nothing of Towline.
    NoStatus,
    /// Towline is switched off.
    Disabled,
    /// Clocks are switched off.
    ClockOff,
    /// Every call carries a clock of v1.
    ClockV1,
    /// The own tracestate member is not written.
    TracestateOff,
    /// `traceparent` does not go to every host.
    TraceparentNarrowed,
    /// The list of propagators leaves out what is always done, or names what is not known.
    Propagators,
    /// The service has no name.
    Unnamed,
    /// No request was read.
    NothingReceived,
    /// No call was made through the middleware.
    NothingSent,
    /// Requests came without `traceparent`.
    Began,
    /// Requests came with a `traceparent` that could not be used.
    Restarted,
    /// Clocks came that could not be used.
    ClockDropped,
    /// Calls were made without a current context.
    NoContext,
    /// Clocks were withheld from hosts.
    Withheld,
    /// Clocks were not sent for their size.
    NotSent,
    /// Clocks were sent shortened.
    Cut,
    /// Answers came without a clock.
    AnswersWithout,
    /// Answers came with a clock that could not be used.
    Lost,
    /// Callers went before the answer was complete.
    Cancelled,
    /// Services run different versions.
    VersionsDiffer,
    /// Services read or write clocks of different lengths.
    LimitsDiffer,
    /// Two services have one name and one instance.
    SameName,
    /// Two versions of one crate in one program.
    TwoVersions,
}

impl Ailment {
    /// `TW-D` and three digits.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.words().0
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        self.words().1
    }

    /// Why it matters.
    #[must_use]
    pub const fn why(self) -> &'static str {
        self.words().2
    }

    const fn words(self) -> (&'static str, Severity, &'static str) {
        use Severity::{Error, Note, Warning};
        match self {
            Self::NotReached => (
                "TW-D001",
                Error,
                "nothing listens there, or it is too slow: it cannot be asked",
            ),
            Self::NoStatus => (
                "TW-D002",
                Error,
                "without the status handler nobody can see whether Towline is on there",
            ),
            Self::Disabled => (
                "TW-D003",
                Error,
                "nothing is read, sent or counted: every trace ends here",
            ),
            Self::ClockOff => (
                "TW-D004",
                Warning,
                "spans keep their parents, and the order of what runs at once cannot be proved",
            ),
            Self::ClockV1 => (
                "TW-D005",
                Note,
                "a clock of v1 counts for each service, and cannot tell its concurrent handlers apart",
            ),
            Self::TracestateOff => (
                "TW-D006",
                Note,
                "behind a service that knows only W3C Trace Context, clocks begin anew",
            ),
            Self::TraceparentNarrowed => (
                "TW-D007",
                Note,
                "calls to all other hosts end the trace there",
            ),
            Self::Propagators => (
                "TW-D008",
                Warning,
                "traceparent and tracestate are read and sent whatever it says, so the setting does not do what it seems to",
            ),
            Self::Unnamed => (
                "TW-D009",
                Warning,
                "all services without a name look like one in clocks and traces",
            ),
            Self::NothingReceived => (
                "TW-D010",
                Warning,
                "either nobody has called it since it started, or the server middleware is not around what they call",
            ),
            Self::NothingSent => (
                "TW-D011",
                Note,
                "right for a service that calls nobody; otherwise its client has no Towline middleware, and each trace ends here",
            ),
            Self::Began => (
                "TW-D012",
                Note,
                "right where users come in; from another service it means that the caller does not send traceparent",
            ),
            Self::Restarted => (
                "TW-D013",
                Warning,
                "the caller's trace was broken off here, and a new one begun",
            ),
            Self::ClockDropped => (
                "TW-D014",
                Warning,
                "what the clock proved is lost: the strand here begins anew",
            ),
            Self::NoContext => (
                "TW-D015",
                Warning,
                "such a call begins a trace of its own: what made it is missing from the request's trace",
            ),
            Self::Withheld => (
                "TW-D016",
                Warning,
                "clocks go only to hosts of the allow-list; behind all others the order is lost",
            ),
            Self::NotSent => (
                "TW-D017",
                Warning,
                "the callee's strand cannot follow its caller's",
            ),
            Self::Cut => (
                "TW-D018",
                Note,
                "a shortened clock never claims too much, but some orders come out as unknown",
            ),
            Self::AnswersWithout => (
                "TW-D019",
                Warning,
                "what the callee did cannot be put before what came after the answer",
            ),
            Self::Lost => (
                "TW-D020",
                Warning,
                "what the callee did cannot be put before what came after the answer",
            ),
            Self::Cancelled => (
                "TW-D021",
                Note,
                "their work was for nobody: timeouts that are too short, or answers that are too slow",
            ),
            Self::VersionsDiffer => (
                "TW-D022",
                Note,
                "all versions of one wire format understand each other; what is fixed in one is not in the other",
            ),
            Self::LimitsDiffer => ("TW-D023", Warning, "what one sends, the other drops whole"),
            Self::SameName => (
                "TW-D024",
                Warning,
                "clocks and spans of the two cannot be told apart by their names",
            ),
            Self::TwoVersions => (
                "TW-D030",
                Error,
                "each version keeps a current context and a global of its own, which the other does not see: spans lose their parents without any error",
            ),
        }
    }
}

/// One thing that is off. Text in it is safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What is off.
    pub ailment: Ailment,
    /// Where: a service as `service#instance at URL`, or a file.
    pub subject: String,
    /// What was seen, as a sentence without its point.
    pub what: String,
    /// What cures it.
    pub fix: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const ALL: [Ailment; 25] = [
        Ailment::NotReached,
        Ailment::NoStatus,
        Ailment::Disabled,
        Ailment::ClockOff,
        Ailment::ClockV1,
        Ailment::TracestateOff,
        Ailment::TraceparentNarrowed,
        Ailment::Propagators,
        Ailment::Unnamed,
        Ailment::NothingReceived,
        Ailment::NothingSent,
        Ailment::Began,
        Ailment::Restarted,
        Ailment::ClockDropped,
        Ailment::NoContext,
        Ailment::Withheld,
        Ailment::NotSent,
        Ailment::Cut,
        Ailment::AnswersWithout,
        Ailment::Lost,
        Ailment::Cancelled,
        Ailment::VersionsDiffer,
        Ailment::LimitsDiffer,
        Ailment::SameName,
        Ailment::TwoVersions,
    ];

    #[test]
    fn every_ailment_has_a_code_of_its_own() {
        let codes: HashSet<_> = ALL.iter().map(|ailment| ailment.code()).collect();
        assert_eq!(codes.len(), ALL.len());
        assert!(ALL.iter().all(|ailment| ailment.code().starts_with("TW-D")));
    }
    #[test]
    fn the_page_names_every_code_with_its_severity() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/doctor.md");
        let page = std::fs::read_to_string(page).unwrap();
        for ailment in ALL {
            let line = format!("| {} | {} | ", ailment.code(), ailment.severity());
            assert!(page.contains(&line), "{line}");
        }
    }
}
