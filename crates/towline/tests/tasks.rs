//! Tasks keep their context, and what they did is known to who waited for them.

#![cfg(feature = "tokio")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where it fails"
)]

use towline::{Clock, Config, Context, InContext, JoinSet, Kind, Order, Peer, Towline};

fn context() -> Context {
    let towline = Towline::new(Config::new().service_name("shop"));
    towline.accept::<[(&str, &str)]>(&[], &Peer::default())
}

/// An event of the running code.
fn event() -> Clock {
    let context = Context::current().expect("it is carried along");
    assert_eq!(context.kind(), Kind::Internal);
    context.event()
}

#[tokio::test]
async fn a_task_that_is_awaited_is_joined() {
    let context = context();
    let work = async {
        let (task, blocking) = (
            towline::spawn(async { event() }),
            towline::spawn_blocking(event),
        );
        let (task, blocking) = (task.await.unwrap(), blocking.await.unwrap());
        assert_eq!(task.compare(&blocking), Order::Concurrent);
        let own = Context::current().unwrap().stamp();
        assert_eq!(task.compare(&own), Order::Before);
        assert_eq!(blocking.compare(&own), Order::Before);
    };
    work.in_context(context.clone()).await;
    assert!(context.stamp().hops()[0].known.forks.is_empty());
}

#[tokio::test]
async fn a_task_that_nobody_waits_for_is_not_known() {
    let context = context();
    let work = async {
        let detached = towline::spawn_detached(async { event() }).await.unwrap();
        let own = Context::current().unwrap().event();
        assert_eq!(detached.compare(&own), Order::Concurrent);
        let aborted = towline::spawn(std::future::pending::<()>());
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_cancelled());
    };
    work.in_context(context.clone()).await;
    let in_flight = context.stamp().hops()[0].known.forks.in_flight().count();
    assert_eq!(in_flight, 1, "what was aborted stays in flight");
}

#[tokio::test]
async fn a_set_of_tasks_joins_each_as_it_is_taken_out() {
    let context = context();
    let work = async {
        let mut tasks = JoinSet::new();
        for _ in 0..3 {
            tasks.spawn(async { event() });
        }
        tasks.spawn_blocking(event);
        assert_eq!(tasks.len(), 4);
        let mut known = Vec::new();
        while let Some(stamp) = tasks.join_next().await {
            known.push(stamp.unwrap());
            let own = Context::current().unwrap().stamp();
            let orders: Vec<_> = known.iter().map(|stamp| stamp.compare(&own)).collect();
            assert!(
                orders.iter().all(|order| *order == Order::Before),
                "{orders:?}"
            );
        }
        assert!(tasks.is_empty() && known.len() == 4);
        tasks.spawn(async { event() });
        for stamp in tasks.join_all().await {
            let own = Context::current().unwrap().stamp();
            assert_eq!(stamp.compare(&own), Order::Before);
        }
    };
    work.in_context(context.clone()).await;
    assert!(context.stamp().hops()[0].known.forks.is_empty());
}

#[tokio::test]
async fn without_a_context_tasks_just_run() {
    assert_eq!(towline::spawn(async { 1 }).await.unwrap(), 1);
    assert!(
        towline::spawn(async { Context::current().is_none() })
            .await
            .unwrap()
    );
}
