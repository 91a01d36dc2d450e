//! Which context the running code belongs to: held for a scope, or for a future while it is polled.
//!
//! No runtime is needed and nothing is boxed. A future that runs elsewhere (spawned, or on a pool)
//! takes its context along only if it is told to: by [`InContext::forked`], [`InContext::detached`]
//! or [`InContext::in_context`], and the like for closures.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context as Polling, Poll};

use pin_project_lite::pin_project;

use crate::clock::Clock;
use crate::context::{Context, Identity, Joining, Task};
use crate::observer::Outcome;
use crate::seed::Seed;
use crate::{SpanId, TraceId};

/// A context, or what one is made of when somebody asks for it.
enum Held {
    Context(Context),
    Seed(Seed),
}

impl Held {
    fn identity(&self) -> &Identity {
        match self {
            Self::Context(context) => context.identity(),
            Self::Seed(seed) => seed.identity(),
        }
    }

    fn has_ended(&self) -> bool {
        match self {
            Self::Context(context) => context.has_ended(),
            Self::Seed(seed) => seed.has_ended(),
        }
    }
}

/// The context of what is held here, made if it was not yet.
fn made(held: &mut Option<Held>) -> Option<&Context> {
    if let Some(Held::Seed(_)) = held {
        *held = match held.take() {
            Some(Held::Seed(seed)) => Some(Held::Context(seed.into_context())),
            other => other,
        };
    }
    match held {
        Some(Held::Context(context)) => Some(context),
        _ => None,
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// Exchanges what is held here with what is current: in place, for a context is moved twice with
/// every poll.
#[inline]
fn exchange(held: &mut Option<Held>) {
    // A thread that is going down has no current context any more.
    let _ = CURRENT.try_with(|current| std::mem::swap(&mut *current.borrow_mut(), held));
}

/// The current context, if there is one.
pub(crate) fn current() -> Option<Context> {
    let current = CURRENT.try_with(|current| made(&mut current.borrow_mut()).cloned());
    current.ok().flatten()
}

/// Whether `test` holds for the current context, if there is one that has not ended.
pub(crate) fn is_current(test: impl FnOnce(&Identity) -> bool) -> bool {
    let test = |current: &RefCell<Option<Held>>| {
        let current = current.borrow();
        let held = current.as_ref().filter(|held| !held.has_ended());
        held.is_some_and(|held| test(held.identity()))
    };
    CURRENT.try_with(test).unwrap_or(false)
}

/// A place where a context waits while it is not current: moved in and out, never cloned, and made
/// only if it is asked for.
#[derive(Default)]
pub struct Slot(Option<Held>);

impl Slot {
    /// Holds a context.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self(Some(Held::Context(context)))
    }

    #[inline]
    pub(crate) fn of_seed(seed: Seed) -> Self {
        Self(Some(Held::Seed(seed)))
    }

    /// The context that waits here; none while it is current.
    pub fn context(&mut self) -> Option<&Context> {
        made(&mut self.0)
    }

    /// The trace and the span of the context that waits here, without making it.
    #[must_use]
    pub fn ids(&self) -> Option<(TraceId, SpanId)> {
        let identity = self.0.as_ref()?.identity();
        Some((identity.trace_id, identity.span_id))
    }

    /// Whether the response is to name its trace (the setting `trace_response`).
    #[inline]
    #[must_use]
    pub fn names_its_trace(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|held| held.identity().towline.settings().trace_response)
    }

    /// The record with which a request is answered that asks what was seen of it; none for others.
    #[inline]
    #[must_use]
    pub fn hops(&self) -> Option<String> {
        let identity = self.0.as_ref()?.identity();
        identity.hops()
    }

    /// As [`Context::end`], without making the context.
    #[inline]
    pub fn end(&mut self, outcome: Outcome) -> Option<Clock> {
        match self.0.as_mut()? {
            Held::Context(context) => context.end(outcome),
            Held::Seed(seed) => seed.end(outcome),
        }
    }

    /// As [`Context::answer_so_far`], without making the context.
    #[must_use]
    pub fn answer_so_far(&self) -> Option<Clock> {
        match self.0.as_ref()? {
            Held::Context(context) => context.answer_so_far(),
            Held::Seed(seed) => seed.answer_so_far(),
        }
    }

    /// Makes the context current until the guard is dropped. An empty slot changes nothing.
    #[inline]
    pub fn enter(&mut self) -> Entered<'_> {
        let mut slot = self.0.is_some().then_some(self);
        if let Some(slot) = &mut slot {
            exchange(&mut slot.0);
        }
        Entered {
            slot,
            thread: PhantomData,
        }
    }
}

/// Keeps a context current; at its end the one from before is current again, also in a panic.
#[must_use = "the context is current only while this lives"]
pub struct Entered<'a> {
    /// Holds what was current before. None if this guard changed nothing.
    slot: Option<&'a mut Slot>,
    /// Stays on its thread.
    thread: PhantomData<*const ()>,
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = &mut self.slot {
            exchange(&mut slot.0);
        }
    }
}

impl Context {
    /// The context that the running code belongs to.
    #[must_use]
    pub fn current() -> Option<Self> {
        current()
    }

    /// Runs `work` with this context current.
    pub fn scope<T>(&self, work: impl FnOnce() -> T) -> T {
        let mut slot = Slot::new(self.clone());
        let _entered = slot.enter();
        work()
    }
}

pin_project! {
    /// A future that runs in a context; see [`InContext::in_context`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Scoped<F> {
        #[pin]
        work: F,
        slot: Slot,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, polling: &mut Polling<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.slot.enter();
        this.work.poll(polling)
    }
}

pin_project! {
    /// A future that runs as an attached child strand; see [`InContext::forked`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Forked<F> {
        #[pin]
        work: F,
        slot: Slot,
        task: Option<Task>,
    }
}

impl<F: Future> Future for Forked<F> {
    type Output = Join<F::Output>;

    fn poll(self: Pin<&mut Self>, polling: &mut Polling<'_>) -> Poll<Join<F::Output>> {
        let this = self.project();
        let entered = this.slot.enter();
        let polled = this.work.poll(polling);
        drop(entered);
        polled.map(|value| Join {
            value,
            joining: this.task.take().map(Task::end),
        })
    }
}

/// What a forked task gave, and the word of what it did.
///
/// Whoever waits for the task takes both by [`join`](Self::join): from then on its work is in that
/// strand's past. A forked task that is not joined stays in flight in its parent's clock.
#[must_use = "the task is joined only by `join`"]
pub struct Join<T> {
    value: T,
    joining: Option<Joining>,
}

impl<T> Join<T> {
    /// Joins the task to the strand that forked it, and gives its value.
    pub fn join(self) -> T {
        if let Some(joining) = self.joining {
            joining.join();
        }
        self.value
    }

    /// Gives the value without joining: the task stays in flight in its parent's clock.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Join<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

/// Carries contexts into futures, whatever runs them.
///
/// ```
/// # fn spawn<F: std::future::Future<Output: Send> + Send + 'static>(_: F) {}
/// use towline_core::InContext;
///
/// # async fn work() {}
/// // Joined later: tokio::spawn(work().forked()).await?.join()
/// spawn(work().forked());
/// // Nobody joins it.
/// spawn(work().detached());
/// ```
pub trait InContext: Future + Sized {
    /// Runs this future with `context` current whenever it is polled. It shares that context's
    /// strand: two futures that run at once should be [`forked`](Self::forked).
    fn in_context(self, context: Context) -> Scoped<Self> {
        Scoped {
            work: self,
            slot: Slot::new(context),
        }
    }

    /// Runs this future as an attached child strand of the current context, forked now; its
    /// [`Join`] says what it did to whoever waits for it. Without a current context it just runs.
    fn forked(self) -> Forked<Self> {
        let task = current().map(|context| context.fork());
        let slot = task
            .as_ref()
            .map(|task| Slot::new(task.context().clone()))
            .unwrap_or_default();
        Forked {
            work: self,
            slot,
            task,
        }
    }

    /// Runs this future as a detached child strand of the current context, forked now: nobody joins
    /// it. Without a current context it just runs.
    fn detached(self) -> Scoped<Self> {
        Scoped {
            work: self,
            slot: current()
                .map(|context| Slot::new(context.detach()))
                .unwrap_or_default(),
        }
    }
}

impl<F: Future> InContext for F {}

/// A closure that runs as an attached child strand of the current context, forked now: for
/// `spawn_blocking` and threads. Its [`Join`] says what it did to whoever waits for it.
pub fn fork<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> Join<T> {
    let task = current().map(|context| context.fork());
    move || {
        let value = scope(task.as_ref().map(Task::context), work);
        Join {
            value,
            joining: task.map(Task::end),
        }
    }
}

/// A closure that runs as a detached child strand of the current context, forked now.
pub fn detach<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let context = current().map(|context| context.detach());
    move || scope(context.as_ref(), work)
}

/// A closure that runs in the context that is current now, without a fork: for callbacks that come
/// one at a time.
pub fn bind<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let context = current();
    move || scope(context.as_ref(), work)
}

fn scope<T>(context: Option<&Context>, work: impl FnOnce() -> T) -> T {
    match context {
        Some(context) => context.scope(work),
        None => work(),
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slot").field(&self.ids()).finish()
    }
}

impl fmt::Debug for Entered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped")
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Forked<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forked")
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}
