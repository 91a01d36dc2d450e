//! The server side: reads what a request came with, and answers with its clock.
//!
//! One layer does request and response. It may stand anywhere in a stack; around the whole router
//! it costs least. Two of them around one handler make one span: the inner one steps aside.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use towline_core::Context;
//! use towline_tower::ServerLayer;
//! # use http::{Request, Response};
//! # use http_body_util::{BodyExt, Full};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let handler = service_fn(|_: Request<Full<&'static [u8]>>| async {
//!     let context = Context::current().expect("the layer makes one");
//!     Ok::<_, std::convert::Infallible>(Response::new(context.trace_id().to_string()))
//! });
//! let service = ServiceBuilder::new().layer(ServerLayer::new().service_name("stock")).service(handler);
//!
//! let request = Request::get("/")
//!     .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
//!     .body(Full::default())
//!     .unwrap();
//! let response = service.oneshot(request).await.unwrap();
//! let body = response.into_body().collect().await.unwrap().to_bytes();
//! assert_eq!(body, "0af7651916cd43dd8448eb211c80319c");
//! # });
//! ```

mod answer;
mod body;
mod future;
mod layer;
mod scope;
mod service;

pub use self::body::ResponseBody;
pub use self::future::ResponseFuture;
pub use self::layer::ServerLayer;
pub use self::service::Server;
