//! Tower layers that carry trace context and strand clocks.
//!
//! [`ServerLayer`] goes around any service that takes [`http::Request`]s, [`ClientLayer`] around
//! any that sends them: axum, hyper, tonic and tower-http stacks take both. Nothing has to be set
//! globally: adding the layer is enough. [`Status`] answers with what an instance has seen; with the
//! feature `tokio`, `DeadlineLayer` keeps a client's calls to the deadline of the request.
//!
//! ```
//! use axum::{Router, routing::get};
//! use towline_tower::{CurrentContext, ServerLayer};
//!
//! async fn hello(CurrentContext(context): CurrentContext) -> String {
//!     format!("this is trace {}", context.trace_id())
//! }
//!
//! let app: Router = Router::new()
//!     .route("/hello", get(hello))
//!     .layer(ServerLayer::new().service_name("greeter"));
//! # let _ = app;
//! ```

pub mod client;
#[cfg(feature = "axum")]
mod current_context;
pub mod server;
mod status;

pub use client::ClientLayer;
#[cfg(feature = "tokio")]
pub use client::DeadlineLayer;
#[cfg(feature = "axum")]
pub use current_context::{CurrentContext, NoContext};
pub use server::ServerLayer;
pub use status::Status;
