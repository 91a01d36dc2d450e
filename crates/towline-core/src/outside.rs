//! Work outside of the `tracing` spans that are current.

use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing::span::Id;

/// As many spans as are left; what is nested deeper stays.
const SPANS_MAX: usize = 16;

/// The spans that were current, and are again when this is dropped.
///
/// A connection that a client makes for one request, and keeps for others, is often made in the
/// span of the first one, and keeps it open until the pool lets go of it.
#[derive(Debug)]
pub(crate) struct Outside {
    left: Option<(Dispatch, [Option<Id>; SPANS_MAX])>,
}

impl Outside {
    /// Leaves all spans. One load where nobody listens.
    #[inline]
    pub(crate) fn of_spans() -> Self {
        let listens = LevelFilter::current() != LevelFilter::OFF;
        Self {
            left: listens.then(leave).flatten(),
        }
    }
}

#[cold]
fn leave() -> Option<(Dispatch, [Option<Id>; SPANS_MAX])> {
    // To leave a span asks for the dispatcher again, which must then not be borrowed.
    let dispatch = dispatcher::get_default(Dispatch::clone);
    let mut left = [const { None }; SPANS_MAX];
    let mut last = None;
    for place in &mut left {
        let current = dispatch.current_span().id().cloned();
        // A subscriber that does not let go is not asked again.
        if current.is_none() || current == last {
            break;
        }
        if let Some(id) = &current {
            dispatch.exit(id);
        }
        last.clone_from(&current);
        *place = current;
    }
    last.map(|_| (dispatch, left))
}

impl Drop for Outside {
    fn drop(&mut self) {
        if let Some((dispatch, left)) = &self.left {
            left.iter()
                .rev()
                .flatten()
                .for_each(|id| dispatch.enter(id));
        }
    }
}
