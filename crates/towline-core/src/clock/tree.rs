//! A clock as data: for comparing, merging, cutting and showing.

use std::fmt;

use super::error::ClockError;
use super::known::{Forks, Known};
use super::read::{Member, Reader};
use super::{Clock, Facts, label, write};

/// The length of the version and the trace.
pub(crate) const HEAD_BYTES: usize = "v2;t=1c80319c".len();

/// One strand on the way from the first strand to the one that a clock belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The service's name.
    pub service: String,
    /// Which instance of the service.
    pub instance: String,
    /// The low 32 bits of the strand's own span id.
    pub nonce: u32,
    /// Where the hop before forked it: that strand's tick; 0 for the first hop.
    pub fork: u32,
    /// Whether it was forked detached: nobody waits for it.
    pub detached: bool,
    /// Whether it was reached through a service that carries no clocks.
    pub gap: bool,
    /// What is known of it. The fork of the next hop is not listed here: the path lists it.
    pub known: Known,
}

impl fmt::Display for Hop {
    /// `service#instance`, unescaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.service, self.instance)
    }
}

/// A clock whose parts can be walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) trace: u32,
    pub(crate) hops: Vec<Hop>,
}

impl Tree {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, ClockError> {
        let mut hops = Vec::new();
        let mut fork = 0;
        while let Some(member) = reader.next::<Forks>()? {
            let next = member.fork;
            hops.push(hop(member, fork)?);
            fork = next;
        }
        Ok(Self {
            trace: reader.trace(),
            hops,
        })
    }

    /// The tree of text that was checked when it came in.
    pub(crate) fn of_canonical(text: &str, trace: u32) -> Self {
        let mut reader = Reader::resume(text.as_bytes(), HEAD_BYTES, 0);
        Self::read(&mut reader).map_or(
            Self {
                trace,
                hops: Vec::new(),
            },
            |tree| Self { trace, ..tree },
        )
    }

    pub(crate) fn to_clock(&self) -> Clock {
        let mut out = String::with_capacity(HEAD_BYTES + 40 * self.hops.len());
        let mut last_at = 0;
        head(&mut out, self.trace);
        for (n, hop) in self.hops.iter().enumerate() {
            out.push_str(", ");
            last_at = out.len();
            component(&mut out, &hop.service, &hop.instance);
            write::hex8(&mut out, hop.nonce);
            out.push(':');
            let fork = self
                .hops
                .get(n + 1)
                .map(|next| next.fork)
                .filter(|&fork| fork != hop.known.tick);
            write::hop_tail(
                &mut out,
                &hop.known,
                write::Marks {
                    fork,
                    detached: hop.detached,
                    gap: hop.gap,
                },
            );
        }
        let facts = Facts {
            trace: self.trace,
            first_nonce: self.hops.first().map_or(0, |hop| hop.nonce),
            hops: self.hops.len(),
            forks: u32::try_from(self.flying_count()).unwrap_or(u32::MAX),
            last_at,
            lone_call: None,
            within_limits: false,
        };
        Clock::from_parts(out, facts)
    }

    /// How many forks the ranges name.
    pub(crate) fn flying_count(&self) -> u64 {
        self.hops
            .iter()
            .map(|hop| hop.known.forks.flying_count())
            .sum()
    }

    /// Everything that is known, as one tree from the first strand on.
    pub(crate) fn into_root(self) -> Known {
        nest(self.hops)
    }

    /// Puts what is known in place of what the hops knew, each hop's way taken out of it.
    ///
    /// Where a way is not listed the hop stays as it was: nobody knows more of it than its own way.
    pub(crate) fn adopt(&mut self, root: Known) {
        let mut known = root;
        let mut hops = self.hops.iter_mut().peekable();
        while let Some(hop) = hops.next() {
            hop.known = known;
            let Some(next) = hops.peek() else { return };
            let forks = &mut hop.known.forks;
            let side = if next.detached {
                &mut forks.seen
            } else {
                &mut forks.open
            };
            known = side
                .remove(&next.fork)
                .unwrap_or_else(|| next.known.clone());
        }
    }
}

/// What a way of hops knows of its first one.
pub(crate) fn nest(hops: Vec<Hop>) -> Known {
    let mut below: Option<(u32, bool, Known)> = None;
    for hop in hops.into_iter().rev() {
        let mut known = hop.known;
        if let Some((fork, detached, inner)) = below {
            let side = if detached {
                &mut known.forks.seen
            } else {
                &mut known.forks.open
            };
            side.insert(fork, inner);
        }
        below = Some((hop.fork, hop.detached, known));
    }
    below.map(|(_, _, known)| known).unwrap_or_default()
}

/// A member as a hop that was forked at `fork`.
pub(crate) fn hop(member: Member<'_, Forks>, fork: u32) -> Result<Hop, ClockError> {
    let decoded = |raw| label::unquote(raw).ok_or(ClockError::Malformed { at: member.at });
    Ok(Hop {
        service: decoded(member.service)?,
        instance: decoded(member.instance)?,
        nonce: member.nonce,
        fork,
        detached: member.detached,
        gap: member.gap,
        known: member.known.with(member.forks),
    })
}

/// Appends the version and the trace.
pub(crate) fn head(out: &mut String, trace: u32) {
    out.push_str("v2;t=");
    write::hex8(out, trace);
}

/// Appends `service#instance/`; an empty service is written `_`.
pub(crate) fn component(out: &mut String, service: &str, instance: &str) {
    let start = out.len();
    label::quote_into(out, service);
    if out.len() == start {
        out.push('_');
    }
    out.push('#');
    label::quote_into(out, instance);
    out.push('/');
}
