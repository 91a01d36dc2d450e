//! The code that calls: in the middle of a request, in whatever context its library keeps.

use anyhow::Result;
use towline::{Config, Context, Peer, Towline};

use crate::inbound::Inbound;
use crate::minimum;
#[cfg(feature = "rivals")]
use crate::rivals;

/// Where the clock may go by default.
const LOCAL: &str = "http://stock.internal/items/7";
/// Where it may not.
const FOREIGN: &str = "http://stock.example/items/7";

/// What propagates the calls.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    Nothing,
    Minimum,
    Towline(Towline),
    #[cfg(feature = "rivals")]
    Rival(rivals::Client),
}

/// What calls have to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Nothing,
    Trace,
    /// The trace and a strand clock, which the callee answers.
    Clock,
    /// The trace and a vector of version 1.
    #[cfg(feature = "rivals")]
    Vector,
}

impl Caller {
    /// Towline, by its defaults.
    pub(crate) fn towline() -> Self {
        Self::Towline(Self::own_towline())
    }

    pub(crate) fn own_towline() -> Towline {
        Towline::new(Config::new().service_name("bench").instance("b-1"))
    }

    /// Runs `work` within a request that came with these headers.
    pub(crate) fn within<T>(
        &self,
        inbound: &Inbound,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let headers = inbound.headers();
        match self {
            Self::Nothing => work(),
            Self::Minimum => match minimum::Place::of_request(&headers) {
                Some(place) => place.scope(work),
                None => work(),
            },
            Self::Towline(towline) => {
                let context: Context = towline.accept(&headers, &Peer::default());
                let output = context.scope(work)?;
                let stamp = context.stamp();
                anyhow::ensure!(!stamp.as_str().contains(";x="), "not joined: {stamp}");
                Ok(output)
            }
            #[cfg(feature = "rivals")]
            Self::Rival(rival) => rival.within(inbound, work),
        }
    }
}

impl Sent {
    /// Where the calls go to.
    pub(crate) fn url(self) -> &'static str {
        match self {
            Self::Trace => FOREIGN,
            _ => LOCAL,
        }
    }
}
