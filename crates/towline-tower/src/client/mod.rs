//! The client side: a span, a fork and the headers for each attempt of each call.
//!
//! Retries belong above this layer, so that each attempt is a call of its own; one that sets the
//! extension [`ResendCount`] on its requests has them numbered. Deadlines are passed on by this
//! layer, and kept to by `DeadlineLayer` (feature `tokio`) around it. Two of these layers
//! around one client make one span: the inner one steps aside.
//!
//! ```no_run
//! use bytes::Bytes;
//! use http_body_util::Empty;
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//! use tower::{ServiceBuilder, ServiceExt};
//! use towline_tower::ClientLayer;
//!
//! # async fn call() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
//! let client = ServiceBuilder::new().layer(ClientLayer::new()).service(client);
//! let request = http::Request::get("http://stock.internal/items/7").body(Empty::new())?;
//! let response = client.oneshot(request).await?;
//! # let _ = response; Ok(())
//! # }
//! ```

mod body;
#[cfg(feature = "tokio")]
mod deadline;
mod future;
mod layer;
mod service;

pub use self::body::AnswerBody;
#[cfg(feature = "tokio")]
pub use self::deadline::{Deadline, DeadlineError, DeadlineFuture, DeadlineLayer};
pub use self::future::AnswerFuture;
pub use self::layer::ClientLayer;
pub use self::service::{Client, ResendCount};
