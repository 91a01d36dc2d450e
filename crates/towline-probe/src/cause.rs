//! What can go wrong between two hops, each told apart.

use std::fmt;

/// Why a check of a hop failed. Each has a code that stays its own, a word for the table, and a
/// line each for why it happens and what helps.
///
/// ```
/// use towline_probe::Cause;
///
/// assert_eq!(Cause::TraceparentNotSent.code(), "TW-P003");
/// assert_eq!(Cause::TraceparentNotSent.headline(), "LOST");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// A callee did not answer.
    NoAnswer,
    /// What answered was no hop: its answer is not that of `/process`.
    NoReport,
    /// A call was sent without `traceparent`.
    TraceparentNotSent,
    /// `traceparent` was sent and did not arrive.
    TraceparentStripped,
    /// Another `traceparent` arrived than was sent.
    TraceparentAltered,
    /// A `traceparent` was sent that nobody may read.
    TraceparentMalformed,
    /// A good `traceparent` was received, and a new trace begun.
    TraceRestarted,
    /// A call was sent with the `traceparent` of another trace.
    ContextLost,
    /// The parent id that was received was sent on.
    ParentNotUpdated,
    /// Some other parent id than that of the call's client span.
    ParentWrong,
    /// The sampled or the random flag was turned over.
    FlagsChanged,
    /// Members of others were not sent on.
    TracestateDropped,
    /// Members of others were changed or moved.
    TracestateAltered,
    /// Members of others were sent and did not arrive as they were.
    TracestateStripped,
    /// Our own tracestate member is not of the clock beside it.
    MemberStale,
    /// One span id for two spans.
    SpanIdReused,
    /// A call was sent without `raceway-clock`.
    ClockNotSent,
    /// `raceway-clock` was sent and did not arrive.
    ClockStripped,
    /// Another `raceway-clock` arrived than was sent.
    ClockAltered,
    /// A clock that nobody may read.
    ClockMalformed,
    /// The clock sent is not later than the one before it.
    ClockStale,
    /// The clock sent is not that of this call.
    ClockForeign,
    /// A good clock was received, and the strand not started from it.
    ClockIgnored,
    /// The service keeps no clock.
    ClockOff,
    /// A call was sent with a clock of v1.
    ClockV1,
    /// The answer brought no clock.
    AnswerWithoutClock,
    /// The answer brought a clock from before the work.
    AnswerStale,
    /// The answer brought a clock that cannot be used.
    AnswerForeign,
    /// The answer's clock does not say that the callee's strand has ended.
    AnswerNotEnded,
    /// A call that was answered is still in the caller's clock.
    StillInFlight,
    /// A call left the caller's clock though nothing proved its end.
    JoinUnproved,
    /// The clocks do not prove an order that the topology means.
    OrderNotProved,
    /// The clocks claim an order that is not.
    OrderWrong,
    /// Other calls were made than were asked for.
    CallsDiffer,
    /// An answer belongs to another request.
    MixedUp,
    /// More than one `traceparent` arrived.
    TraceparentDoubled,
    /// More than one `raceway-clock` arrived.
    ClockDoubled,
    /// A service that neither answers with a clock nor says what it saw.
    NotTowline,
    /// A service that knows Towline, and does not say what it saw.
    RecordWithheld,
    /// What a service says it saw cannot be read.
    RecordMalformed,
    /// What a service's callees saw is left out of its record.
    RecordCut,
}

impl Cause {
    /// `TW-P` and three digits.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.words().code
    }

    /// A word or two in capitals: what a finding's line begins with.
    #[must_use]
    pub const fn headline(self) -> &'static str {
        self.words().headline
    }

    /// Why it usually happens.
    #[must_use]
    pub const fn why(self) -> &'static str {
        self.words().why
    }

    /// What helps, in the words of the port that the service's name tells of (`typescript`,
    /// `python`, `go`, `rust`), else in general.
    #[must_use]
    pub fn fix(self, service: &str) -> String {
        match self.words().fix {
            Fix::Client => client(service).to_owned(),
            Fix::Server => server(service).to_owned(),
            Fix::Text(text) => text.to_owned(),
        }
    }

    const fn words(self) -> Words {
        match self {
            Self::NoAnswer => Words {
                code: "TW-P001",
                headline: "NO ANSWER",
                why: "nothing answered there in time: not started, another port, or too slow",
                fix: Fix::Text(
                    "start it or correct the address (`towline demo status` shows the demo services)",
                ),
            },
            Self::NoReport => Words {
                code: "TW-P002",
                headline: "NO REPORT",
                why: "what answered is not a hop's report (spec/services.md, `POST /process`)",
                fix: Fix::Text("probe a service that offers `/process`, or correct port and path"),
            },
            Self::TraceparentNotSent => Words {
                code: "TW-P003",
                headline: "LOST",
                why: "the client that made the call has no Towline middleware (it received the header, did not send it)",
                fix: Fix::Client,
            },
            Self::TraceparentStripped => Words {
                code: "TW-P004",
                headline: "STRIPPED",
                why: "something between the two takes the header out: a proxy, gateway or mesh that lets only listed headers pass",
                fix: Fix::Text(
                    "let traceparent, tracestate and raceway-clock pass, in both directions",
                ),
            },
            Self::TraceparentAltered => Words {
                code: "TW-P005",
                headline: "ALTERED",
                why: "something between the two writes a traceparent of its own: a proxy or mesh that traces, or a second one is added",
                fix: Fix::Text(
                    "let the proxy pass the header on, or report it as a span of its own in the same trace",
                ),
            },
            Self::TraceparentMalformed => Words {
                code: "TW-P006",
                headline: "MALFORMED",
                why: "the header was made by hand, or set twice; every receiver restarts the trace for it",
                fix: Fix::Text("let the client middleware write the header, and nothing else"),
            },
            Self::TraceRestarted => Words {
                code: "TW-P007",
                headline: "NEW TRACE",
                why: "the header arrived, but the server middleware does not see it or does not trust the peer",
                fix: Fix::Server,
            },
            Self::ContextLost => Words {
                code: "TW-P008",
                headline: "LOST",
                why: "the call was made where the request's context is not current: another thread, a callback, a pool",
                fix: Fix::Text(
                    "carry the context over: `fork`, `bind` or `with_context` around what makes the call",
                ),
            },
            Self::ParentNotUpdated => Words {
                code: "TW-P009",
                headline: "WRONG PARENT",
                why: "the incoming header was copied to the outgoing call; the caller's own span is missing from the tree",
                fix: Fix::Client,
            },
            Self::ParentWrong => Words {
                code: "TW-P010",
                headline: "WRONG PARENT",
                why: "the parent id is not the span of this attempt: two middlewares, or a header set by hand after ours",
                fix: Fix::Client,
            },
            Self::FlagsChanged => Words {
                code: "TW-P011",
                headline: "FLAGS CHANGED",
                why: "flags are decided where a trace begins; a hop that changes them gives traces with holes",
                fix: Fix::Text(
                    "send the flags on as they came; `sampled` is for traces that begin here",
                ),
            },
            Self::TracestateDropped => Words {
                code: "TW-P012",
                headline: "DROPPED",
                why: "the members of other systems were not sent on with traceparent",
                fix: Fix::Client,
            },
            Self::TracestateAltered => Words {
                code: "TW-P013",
                headline: "ALTERED",
                why: "members of other systems must stay as they are, in their order",
                fix: Fix::Client,
            },
            Self::TracestateStripped => Words {
                code: "TW-P014",
                headline: "STRIPPED",
                why: "something between the two takes tracestate out or rewrites it",
                fix: Fix::Text("let tracestate pass unchanged"),
            },
            Self::MemberStale => Words {
                code: "TW-P015",
                headline: "STALE MEMBER",
                why: "the tracestate member `towline` was passed on instead of written anew",
                fix: Fix::Client,
            },
            Self::SpanIdReused => Words {
                code: "TW-P016",
                headline: "SAME SPAN ID",
                why: "every span and every attempt of a call has an id of its own; a repeated seed or a copied header repeats them",
                fix: Fix::Text("take ids from the system's random source, one for each attempt"),
            },
            Self::ClockNotSent => Words {
                code: "TW-P021",
                headline: "CLOCK LOST",
                why: "the host is not on the allow-list of clocks, clocks are off for this call, or the client drops the header",
                fix: Fix::Text(
                    "add the host to `propagate_to` (TOWLINE_PROPAGATE_TO), and let no later code rewrite the headers",
                ),
            },
            Self::ClockStripped => Words {
                code: "TW-P022",
                headline: "CLOCK STRIPPED",
                why: "something between the two takes the header out: a proxy, gateway or mesh that lets only listed headers pass",
                fix: Fix::Text("let raceway-clock pass, in both directions"),
            },
            Self::ClockAltered => Words {
                code: "TW-P023",
                headline: "CLOCK ALTERED",
                why: "something between the two rewrites the header, or a second one is added",
                fix: Fix::Text("let raceway-clock pass unchanged"),
            },
            Self::ClockMalformed => Words {
                code: "TW-P024",
                headline: "CLOCK MALFORMED",
                why: "every receiver drops such a clock whole (spec/strand-clocks.md, \"Wire form\")",
                fix: Fix::Text("let the middleware write the header, and nothing else"),
            },
            Self::ClockStale => Words {
                code: "TW-P025",
                headline: "STALE CLOCK",
                why: "an incoming or earlier clock was copied to the outgoing call, so the callee does not follow its caller",
                fix: Fix::Client,
            },
            Self::ClockForeign => Words {
                code: "TW-P026",
                headline: "WRONG CLOCK",
                why: "the clock belongs to another call, strand or trace: a context shared or mixed up between requests",
                fix: Fix::Text("make the call where the request's own context is current"),
            },
            Self::ClockIgnored => Words {
                code: "TW-P027",
                headline: "CLOCK IGNORED",
                why: "the strand did not start from the clock that came: the header was dropped, or its limits are set too low",
                fix: Fix::Text(
                    "look at the service's counters for `clock/…` to see why it was dropped",
                ),
            },
            Self::ClockOff => Words {
                code: "TW-P028",
                headline: "CLOCK OFF",
                why: "the service keeps no clock: it is switched off, or speaks W3C Trace Context alone",
                fix: Fix::Text("TOWLINE_CLOCK=auto, and TOWLINE_DISABLED unset"),
            },
            Self::ClockV1 => Words {
                code: "TW-P029",
                headline: "V1 CLOCK",
                why: "a clock of v1 counts for each service, and cannot tell concurrent handlers of one service apart",
                fix: Fix::Text(
                    "TOWLINE_CLOCK=auto writes v2, and v1 only inside a request that came with v1",
                ),
            },
            Self::AnswerWithoutClock => Words {
                code: "TW-P031",
                headline: "ANSWER WITHOUT CLOCK",
                why: "the server middleware did not put its clock on the response, clocks are off there, or something on the way back takes it out",
                fix: Fix::Server,
            },
            Self::AnswerStale => Words {
                code: "TW-P032",
                headline: "STALE ANSWER",
                why: "the response carries a clock from before the callee's work, so its caller cannot know that the work is done",
                fix: Fix::Server,
            },
            Self::AnswerForeign => Words {
                code: "TW-P033",
                headline: "WRONG ANSWER",
                why: "the response carries a clock that the caller must refuse",
                fix: Fix::Server,
            },
            Self::AnswerNotEnded => Words {
                code: "TW-P034",
                headline: "ANSWER NOT ENDED",
                why: "the head went out before the strand ended, and no trailer brought the end",
                fix: Fix::Text("give the response a body of known length, or let trailers pass"),
            },
            Self::StillInFlight => Words {
                code: "TW-P035",
                headline: "NOT JOINED",
                why: "the answer's clock was not taken over: the response never went through the client middleware, or two of them sent the call",
                fix: Fix::Client,
            },
            Self::JoinUnproved => Words {
                code: "TW-P036",
                headline: "JOINED UNPROVED",
                why: "a call whose answer brought no usable clock must stay in the clock as one that cannot be told",
                fix: Fix::Text("report it: the port's client middleware claims more than it knows"),
            },
            Self::OrderNotProved => Words {
                code: "TW-P041",
                headline: "ORDER NOT PROVED",
                why: "the clocks do not show that one came before the other, though the calls mean it",
                fix: Fix::Text(
                    "make the calls one after the other in one strand, each after the answer before it",
                ),
            },
            Self::OrderWrong => Words {
                code: "TW-P042",
                headline: "WRONG ORDER",
                why: "work that runs at once shares one strand, whose events are taken to be in program order",
                fix: Fix::Text("`fork` around each task that runs at the same time"),
            },
            Self::CallsDiffer => Words {
                code: "TW-P051",
                headline: "OTHER CALLS",
                why: "the service did not make the calls that it was asked for, one for each, in their order",
                fix: Fix::Text(
                    "report the calls in the order of the request (spec/services.md, `POST /process`)",
                ),
            },
            Self::MixedUp => Words {
                code: "TW-P052",
                headline: "MIXED UP",
                why: "state is shared between requests that run at the same time",
                fix: Fix::Text("keep what belongs to a request in its own context"),
            },
            Self::TraceparentDoubled => Words {
                code: "TW-P017",
                headline: "DOUBLED",
                why: "something adds a second header instead of replacing the first: a proxy or mesh that traces, or a second client middleware",
                fix: Fix::Text(
                    "let one of the two write traceparent, and what stands between pass it on as it came",
                ),
            },
            Self::ClockDoubled => Words {
                code: "TW-P030",
                headline: "CLOCK DOUBLED",
                why: "something adds a second header, or sends the one that came along with the new one; both are dropped",
                fix: Fix::Text("let only the client middleware write raceway-clock"),
            },
            Self::NotTowline => Words {
                code: "TW-P061",
                headline: "UNKNOWN",
                why: "neither hop record nor clock came back: no Towline middleware there, or it is disabled, a proxy that takes the headers out in both directions, or a host that is not on the allow-list",
                fix: Fix::Server,
            },
            Self::RecordWithheld => Words {
                code: "TW-P062",
                headline: "NO RECORD",
                why: "its clock came back, so it knows Towline: TOWLINE_PROBE is another there, or off, or it sees no loopback peer, or something takes towline-probe or towline-hops out",
                fix: Fix::Text(
                    "give all services and the probe the same token in TOWLINE_PROBE, and let towline-probe and towline-hops pass",
                ),
            },
            Self::RecordMalformed => Words {
                code: "TW-P063",
                headline: "BAD RECORD",
                why: "towline-hops is not what spec/edge.md, \"Probe\", says: written by something else, or rewritten on the way",
                fix: Fix::Text("let towline-hops pass as it is, once"),
            },
            Self::RecordCut => Words {
                code: "TW-P064",
                headline: "CUT",
                why: "a hop record is at most 6,000 bytes: of a chain that is longer, or wider, the rest is left out",
                fix: Fix::Text("probe from one of the services behind this one"),
            },
        }
    }
}

/// The headline.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.headline())
    }
}

struct Words {
    code: &'static str,
    headline: &'static str,
    why: &'static str,
    fix: Fix,
}

enum Fix {
    Client,
    Server,
    Text(&'static str),
}

fn client(service: &str) -> &'static str {
    match service {
        "typescript" => "const send = wrapFetch(fetch), or undici's compose(interceptor())",
        "python" => "towline.requests.instrument(session), or towline.httpx, towline.urllib",
        "go" => "client.Transport = towline.Transport(client.Transport)",
        "rust" => "towline_reqwest::Propagate or towline_tower::ClientLayer around the client",
        _ => {
            "send the call through Towline's client middleware, as the last one that touches headers"
        }
    }
}

fn server(service: &str) -> &'static str {
    match service {
        "typescript" => "app.use(towline()) before all other middleware, or withTowline(listener)",
        "python" => "app = Towline(app), or TowlineASGI(app), outside all other middleware",
        "go" => "http.ListenAndServe(address, towline.Handler(mux)), outside all other handlers",
        "rust" => "towline_tower::ServerLayer as the outermost layer",
        _ => "put Towline's server middleware outside all others",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const ALL: [Cause; 41] = [
        Cause::NoAnswer,
        Cause::NoReport,
        Cause::TraceparentNotSent,
        Cause::TraceparentStripped,
        Cause::TraceparentAltered,
        Cause::TraceparentMalformed,
        Cause::TraceRestarted,
        Cause::ContextLost,
        Cause::ParentNotUpdated,
        Cause::ParentWrong,
        Cause::FlagsChanged,
        Cause::TracestateDropped,
        Cause::TracestateAltered,
        Cause::TracestateStripped,
        Cause::MemberStale,
        Cause::SpanIdReused,
        Cause::ClockNotSent,
        Cause::ClockStripped,
        Cause::ClockAltered,
        Cause::ClockMalformed,
        Cause::ClockStale,
        Cause::ClockForeign,
        Cause::ClockIgnored,
        Cause::ClockOff,
        Cause::ClockV1,
        Cause::AnswerWithoutClock,
        Cause::AnswerStale,
        Cause::AnswerForeign,
        Cause::AnswerNotEnded,
        Cause::StillInFlight,
        Cause::JoinUnproved,
        Cause::OrderNotProved,
        Cause::OrderWrong,
        Cause::CallsDiffer,
        Cause::MixedUp,
        Cause::TraceparentDoubled,
        Cause::ClockDoubled,
        Cause::NotTowline,
        Cause::RecordWithheld,
        Cause::RecordMalformed,
        Cause::RecordCut,
    ];

    #[test]
    fn every_cause_has_a_code_of_its_own() {
        let codes: HashSet<_> = ALL.iter().map(|cause| cause.code()).collect();
        assert_eq!(codes.len(), ALL.len());
        for cause in ALL {
            let digits = cause.code().strip_prefix("TW-P").unwrap();
            assert!(
                digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()),
                "{cause:?}"
            );
        }
    }

    #[test]
    fn a_fix_speaks_the_language_of_the_service() {
        let fix = |service| Cause::TraceparentNotSent.fix(service);
        assert!(fix("go").contains("towline.Transport"));
        assert!(fix("typescript").contains("wrapFetch"));
        assert_ne!(fix("billing"), fix("go"));
    }
}
