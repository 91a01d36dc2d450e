//! Tasks of tokio that keep their context.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Polling, Poll};

use tokio::task::{self, AbortHandle, JoinError};
use towline_core::{InContext, Join, fork};

/// Spawns a future as an attached child strand of the current context, with a span of its own; it is
/// joined when its handle is awaited. Without a current context it is `tokio::spawn`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let sum = towline::spawn(async { 1 + 1 }).await;
/// assert_eq!(sum.expect("no panic"), 2);
/// # }
/// ```
///
/// # Panics
///
/// As [`tokio::spawn`], outside of a runtime.
#[track_caller]
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    JoinHandle(tokio::spawn(work.forked()))
}

/// Spawns a future as a detached child strand of the current context: nobody joins it.
///
/// # Panics
///
/// As [`tokio::spawn`], outside of a runtime.
#[track_caller]
pub fn spawn_detached<F>(work: F) -> task::JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    tokio::spawn(work.detached())
}

/// Runs a closure that blocks as an attached child strand of the current context; it is joined when
/// its handle is awaited.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let sum = towline::spawn_blocking(|| 1 + 1).await;
/// assert_eq!(sum.expect("no panic"), 2);
/// # }
/// ```
///
/// # Panics
///
/// As [`tokio::task::spawn_blocking`], outside of a runtime.
#[track_caller]
pub fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    JoinHandle(task::spawn_blocking(fork(work)))
}

/// A task that is joined when this is awaited, to the strand that spawned it. Dropped before, the
/// task runs on, and stays in flight in that strand's clock.
#[must_use = "the task is joined only when this is awaited"]
pub struct JoinHandle<T>(task::JoinHandle<Join<T>>);

impl<T> JoinHandle<T> {
    /// Aborts the task: its strand ends cancelled.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// A handle that can only abort the task.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        self.0.abort_handle()
    }

    /// Whether the task has finished.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, polling: &mut Polling<'_>) -> Poll<Self::Output> {
        let ended = Pin::new(&mut self.0).poll(polling);
        ended.map(|ended| ended.map(Join::join))
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinHandle").field(&self.0.id()).finish()
    }
}

/// A set of tasks, each an attached child strand of the context that was current when it was
/// spawned; each is joined as it is taken out.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut tasks = towline::JoinSet::new();
/// for n in 0..3 {
///     tasks.spawn(async move { n });
/// }
/// let mut sum = 0;
/// while let Some(n) = tasks.join_next().await {
///     sum += n.expect("no panic");
/// }
/// assert_eq!(sum, 3);
/// # }
/// ```
pub struct JoinSet<T> {
    tasks: task::JoinSet<Join<T>>,
}

impl<T: 'static> JoinSet<T> {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tasks: task::JoinSet::new(),
        }
    }

    /// How many tasks are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether no task is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Spawns a future into the set.
    ///
    /// # Panics
    ///
    /// As [`tokio::spawn`], outside of a runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, work: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.tasks.spawn(work.forked())
    }

    /// Runs a closure that blocks, as a task of the set.
    ///
    /// # Panics
    ///
    /// As [`tokio::task::spawn_blocking`], outside of a runtime.
    #[track_caller]
    pub fn spawn_blocking(&mut self, work: impl FnOnce() -> T + Send + 'static) -> AbortHandle
    where
        T: Send,
    {
        self.tasks.spawn_blocking(fork(work))
    }

    /// Waits for a task to finish, takes it out, and joins it; none if the set is empty.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        let ended = self.tasks.join_next().await?;
        Some(ended.map(Join::join))
    }

    /// Waits for all tasks, and joins them, in the order in which they finish.
    ///
    /// # Panics
    ///
    /// Where a task panicked, or was aborted.
    pub async fn join_all(self) -> Vec<T> {
        let ended = self.tasks.join_all().await;
        ended.into_iter().map(Join::join).collect()
    }

    /// Aborts all tasks: their strands end cancelled.
    pub fn abort_all(&mut self) {
        self.tasks.abort_all();
    }
}

impl<T: 'static> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet")
            .field("tasks", &self.tasks)
            .finish()
    }
}
