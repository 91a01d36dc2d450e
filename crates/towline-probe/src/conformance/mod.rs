//! The project's own cases, for any service in any language that offers `POST /test`
//! (`spec/services.md`).
//!
//! A [`Case`] makes the bytes of one request, answers the calls that the service makes for it, and
//! judges what was seen. Whoever runs it brings the connections.
//!
//! ```
//! use towline_probe::{Exchange, cases};
//!
//! let case = cases().into_iter().next().expect("there are cases");
//! let request = case.request("127.0.0.1:6003", "http://127.0.0.1:7000/0");
//! assert!(request.starts_with(b"POST /test HTTP/1.1\r\nhost: 127.0.0.1:6003\r\n"));
//!
//! let nothing = Exchange { status: Some(200), ..Exchange::default() };
//! assert_eq!(case.judge(&nothing), Err("1 call was asked for, and 0 were made".to_owned()));
//! ```

mod answers;
mod case;
mod check;
mod clocks;
mod exchange;
mod further;
mod hostile;
mod results;
mod rule;
mod v1;
mod vectors;

pub use case::{Case, cases};
pub use exchange::{Exchange, Head, Reply};
pub use hostile::{Hostile, hostile};
pub use results::Results;
pub use rule::Rule;
