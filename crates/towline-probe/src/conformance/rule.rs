//! What a port must do, and where that is written.

/// A rule, with its title and its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A valid `traceparent` goes on.
    TraceparentContinued,
    /// Sampled and random stay as they came.
    Flags,
    /// A later version is read as version 00.
    LaterVersion,
    /// Names of fields in any case.
    NameCase,
    /// Blanks around a value.
    Blanks,
    /// No `traceparent`.
    Absent,
    /// More than one.
    Duplicate,
    /// One that cannot be read.
    Invalid,
    /// Members of others go on.
    TracestateKept,
    /// Several fields are one list.
    TracestateJoined,
    /// One broken member drops the list.
    TracestateBroken,
    /// 32 members, keys and values of 256.
    TracestateLimits,
    /// The own member is taken out.
    TracestateOwn,
    /// A parent id for every call.
    ParentPerCall,
    /// Each header once.
    OneField,
    /// The strand starts from the clock that came.
    ClockContinued,
    /// A clock that cannot be used starts a first strand.
    ClockDropped,
    /// A strand may start from the tracestate member.
    ClockMember,
    /// The own member is of the clock beside it.
    MemberOfClock,
    /// The answer brings the strand's end.
    ClockAnswered,
    /// No clock where none was asked for.
    ClockNotAnswered,
    /// A call whose answer brought the callee's end leaves the clock.
    AnswerJoined,
    /// A call whose answer proves nothing cannot be told.
    AnswerLost,
    /// A call without an answer stays open.
    AnswerOpen,
    /// v1 goes on with v1.
    V1Continued,
    /// A v1 clock that cannot be used.
    V1Dropped,
    /// Hostile requests do no harm.
    Hostile,
}

impl Rule {
    /// Its name: what `--rule` takes, and what stays its own.
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.words().0
    }

    /// What it asks for.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.words().1
    }

    /// Where it is written.
    #[must_use]
    pub const fn source(self) -> &'static str {
        self.words().2
    }

    const fn words(self) -> (&'static str, &'static str, &'static str) {
        const IN: &str = "spec/trace-context.md, \"traceparent in\"";
        const STATE: &str = "spec/trace-context.md, \"tracestate in\"";
        const SERVER: &str = "spec/api.md, \"Server side\"";
        const CLIENT: &str = "spec/api.md, \"Client side\"";
        const V1: &str = "spec/strand-clocks.md, \"v1\"";
        match self {
            Self::TraceparentContinued => (
                "traceparent/continued",
                "a valid traceparent goes on: its trace, a new parent id",
                "W3C Trace Context, \"Mutating the traceparent Field\"; spec/trace-context.md, \"Out\"",
            ),
            Self::Flags => (
                "traceparent/flags",
                "sampled and random are sent on as they came, other bits as zero",
                "W3C Trace Context, \"trace-flags\"; spec/trace-context.md, \"traceparent in\"",
            ),
            Self::LaterVersion => (
                "traceparent/later-version",
                "the first four fields of a later version are read as version 00's",
                "W3C Trace Context, \"Versioning of traceparent\"; spec/trace-context.md, \"traceparent in\"",
            ),
            Self::NameCase => (
                "traceparent/name-case",
                "names of fields are read in any case",
                "RFC 9110, section 5.1; W3C Trace Context, \"Header Name\"",
            ),
            Self::Blanks => (
                "traceparent/blanks",
                "blanks around a value are no part of it",
                "RFC 9110, section 5.5; spec/trace-context.md, \"traceparent in\"",
            ),
            Self::Absent => (
                "traceparent/absent",
                "without traceparent a new trace begins, and tracestate is dropped",
                IN,
            ),
            Self::Duplicate => (
                "traceparent/duplicate",
                "more than one traceparent restarts the trace",
                IN,
            ),
            Self::Invalid => (
                "traceparent/invalid",
                "a traceparent that breaks the grammar restarts the trace",
                "W3C Trace Context, \"traceparent Header Field Values\"; spec/trace-context.md, \"traceparent in\"",
            ),
            Self::TracestateKept => (
                "tracestate/kept",
                "members of others are passed on byte for byte, in order",
                STATE,
            ),
            Self::TracestateJoined => (
                "tracestate/joined",
                "all fields of the name are one list",
                "RFC 9110, section 5.2; W3C Trace Context, \"Combined Header Value\"",
            ),
            Self::TracestateBroken => (
                "tracestate/broken",
                "one member that breaks the grammar drops the whole list",
                STATE,
            ),
            Self::TracestateLimits => (
                "tracestate/limits",
                "32 members, keys and values of 256; nothing of others is evicted",
                "W3C Trace Context, \"tracestate Limits\"; spec/trace-context.md, \"tracestate in\"",
            ),
            Self::TracestateOwn => (
                "tracestate/own",
                "our own member is taken out, wherever it stands",
                STATE,
            ),
            Self::ParentPerCall => (
                "call/parent-per-call",
                "every attempt of every call has a parent id of its own, whatever the answers are",
                "spec/trace-context.md, \"Out\"",
            ),
            Self::OneField => (
                "call/one-field",
                "each header of ours is there at most once",
                CLIENT,
            ),
            Self::ClockContinued => (
                "clock/continued",
                "the strand starts from the clock that came, and each call carries it on",
                SERVER,
            ),
            Self::ClockDropped => (
                "clock/dropped",
                "a clock that cannot be used starts a first strand, and fails nothing",
                "spec/strand-clocks.md, \"Wire form\"",
            ),
            Self::ClockMember => (
                "clock/member",
                "without a clock the strand starts from the tracestate member, behind a gap",
                "spec/strand-clocks.md, \"Through services that know only W3C Trace Context\"",
            ),
            Self::MemberOfClock => (
                "clock/member-of-clock",
                "the tracestate member is the clock beside it",
                "spec/strand-clocks.md, \"Through services that know only W3C Trace Context\"",
            ),
            Self::ClockAnswered => (
                "clock/answered",
                "the answer brings the clock of the strand's end",
                "spec/strand-clocks.md, \"Answer\"",
            ),
            Self::ClockNotAnswered => (
                "clock/not-answered",
                "no clock in the answer to a request without one that was accepted",
                SERVER,
            ),
            Self::AnswerJoined => (
                "answer/joined",
                "a call whose answer brought the callee's end is known completely",
                "spec/strand-clocks.md, \"Answer\"",
            ),
            Self::AnswerLost => (
                "answer/lost",
                "a call whose answer brought no clock that can be used cannot be told",
                "spec/strand-clocks.md, \"Lost\"",
            ),
            Self::AnswerOpen => (
                "answer/open",
                "a call without an answer stays open",
                "spec/strand-clocks.md, \"Lost\"",
            ),
            Self::V1Continued => (
                "v1/continued",
                "inside a request that came with v1, calls go on with v1",
                V1,
            ),
            Self::V1Dropped => (
                "v1/dropped",
                "a v1 clock that cannot be used is dropped whole",
                V1,
            ),
            Self::Hostile => (
                "hostile",
                "no request of a stranger makes the service fail",
                "spec/api.md; docs/ARCHITECTURE.md, \"Invariants worth a test\"",
            ),
        }
    }
}
