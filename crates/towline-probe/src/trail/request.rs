//! The request, and what its answer comes to.

use towline_core::TraceFlags;

use super::report::TrailReport;
use super::stop::{Answer, Call, Seen, walk};
use crate::Ids;
use crate::origin::Origin;
use crate::show::show;
use crate::target::place;

/// The longest `towline-hops` that is read, in bytes; services write at most 6,000.
const RECORD_BYTES_MAX: usize = 64 << 10;

/// One request to any service, which asks every service on its way what it saw.
///
/// ```
/// use towline_core::TraceFlags;
/// use towline_probe::{Ids, Outcome, Trail, TrailAnswer};
///
/// let trail = Trail::new("http://127.0.0.1:6003/orders", Ids::random(), TraceFlags::SAMPLED, "1");
/// assert!(trail.headers().contains(&("towline-probe", "1")));
///
/// let answer = TrailAnswer { status: 200, ..TrailAnswer::default() };
/// let report = trail.finish(&answer);
/// assert_eq!(report.outcome(), Outcome::Findings);
/// assert_eq!(
///     report.first_unknown().unwrap(),
///     "hop 1, at 127.0.0.1:6003, is the first service that does not know Towline",
/// );
/// ```
#[derive(Debug)]
pub struct Trail {
    url: String,
    token: String,
    origin: Origin,
}

/// The answer of the service that was asked, as it came.
#[derive(Clone, Debug, Default)]
pub struct TrailAnswer {
    /// The HTTP status.
    pub status: u16,
    /// All `raceway-clock` fields of the response, joined by `, `; none if there were none.
    pub clock: Option<String>,
    /// The `towline-hops` fields of the response.
    pub hops: Vec<String>,
}

impl Trail {
    /// A request to `url`. `token`: what the services want to see in `towline-probe`, `1` where they
    /// have none and are asked from the loopback.
    #[must_use]
    pub fn new(url: &str, ids: Ids, flags: TraceFlags, token: &str) -> Self {
        Self {
            url: url.to_owned(),
            token: token.to_owned(),
            origin: Origin::new(ids, flags, 0),
        }
    }

    /// Where the request goes.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The header fields to add to the request: four, in lower case. The token is among them.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, &str)> {
        let token = ("towline-probe", self.token.as_str());
        self.origin.headers().chain([token]).collect()
    }

    /// Checks the answer and the records in it.
    #[must_use]
    pub fn finish(mut self, answer: &TrailAnswer) -> TrailReport {
        let joined = self.origin.join(answer.clock.as_deref());
        let seen = match answer.hops.as_slice() {
            [] => Seen::Nothing,
            [record] if record.len() > RECORD_BYTES_MAX => {
                Seen::Strange(format!("{} bytes", record.len()))
            }
            [record] => Seen::read(record),
            more => Seen::Strange(format!("{} fields", more.len())),
        };
        let joined = if joined { Answer::Joined } else { Answer::Lost };
        let status = Some(answer.status);
        self.report(seen, status, joined, None)
    }

    /// The report where no answer came; `error` says why.
    #[must_use]
    pub fn failed(self, error: &str) -> TrailReport {
        self.report(Seen::Nothing, None, Answer::None, Some(show(error)))
    }

    fn report(
        self,
        seen: Seen<'_>,
        status: Option<u16>,
        answer: Answer,
        error: Option<String>,
    ) -> TrailReport {
        let first = Call {
            host: show(place(&self.url)),
            span_id: self.origin.ids.call.to_string(),
            status,
            answer,
            error,
        };
        TrailReport::new(self.origin.ids, self.origin.flags, walk(first, seen))
    }
}
