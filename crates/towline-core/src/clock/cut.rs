//! Making a clock shorter without making it claim more.

use super::error::CutError;
use super::known::{Attached, Forks};
use super::ranges::{Range, Ranges};
use super::read::TICK_MAX;
use super::tree::Tree;
use super::{Clock, write};
use crate::Limits;

/// The header to send: at most `budget` bytes, and nothing that a receiver's limits refuse.
pub(crate) fn cut(mut tree: Tree, budget: usize) -> Result<Clock, CutError> {
    let limits = Limits::DEFAULT;
    if tree.hops.len() > limits.levels_max || tree.hops.iter().any(|hop| hop.known.tick > TICK_MAX)
    {
        return Err(CutError::OverLimits);
    }
    let mut whole = longest_last(&tree);
    let mut clock = tree.to_clock();
    while clock.as_str().len() > budget || clock.facts.forks > limits.forks_max {
        let hop = whole.pop().ok_or(CutError::TooLong)?;
        let barrier = tree
            .hops
            .get(hop + 1)
            .filter(|next| !next.detached)
            .map(|next| next.fork);
        if let Some(hop) = tree.hops.get_mut(hop) {
            cover(&mut hop.known.forks, barrier, limits.forks_max)?;
        }
        clock = tree.to_clock();
    }
    let limits = Limits {
        header_bytes_max: budget,
        ..limits
    };
    Clock::read(clock.as_str().as_bytes(), limits, None).map_err(|_| CutError::OverLimits)
}

/// The hops by the length of their fork lists, as text; deeper ones later where equal.
fn longest_last(tree: &Tree) -> Vec<usize> {
    let mut lengths: Vec<(usize, usize)> = tree
        .hops
        .iter()
        .enumerate()
        .map(|(n, hop)| {
            let mut text = String::new();
            write::forks(&mut text, &hop.known.forks);
            (text.len(), n)
        })
        .collect();
    lengths.sort_unstable();
    lengths.into_iter().map(|(_, n)| n).collect()
}

/// Covers the attached forks by lossy ranges. What brings word of detached forks stays, and so does
/// the next hop's fork (`barrier`); no range reaches over either.
fn cover(forks: &mut Forks, barrier: Option<u32>, forks_max: u32) -> Result<(), CutError> {
    let mut covered = Ranges::default();
    let mut run: Option<Range> = None;
    for item in forks.attached() {
        let (first, last) = match &item {
            Attached::Range(range) => (range.first, range.last),
            Attached::Known(tick, _) => (*tick, *tick),
        };
        let stays = matches!(&item, Attached::Known(_, known) if known.forks.sees());
        let behind =
            run.is_some_and(|run| barrier.is_some_and(|fork| run.last < fork && fork < first));
        if stays || behind {
            run.take().into_iter().for_each(|run| covered.push(run));
        }
        if stays {
            continue;
        }
        match &mut run {
            Some(run) if first - run.last > forks_max => return Err(CutError::TooLong),
            Some(run) => run.last = last,
            None => {
                run = Some(Range {
                    first,
                    last,
                    lossy: true,
                })
            }
        }
    }
    run.into_iter().for_each(|run| covered.push(run));
    forks.flying = covered;
    forks.open.retain(|_, known| known.forks.sees());
    Ok(())
}
