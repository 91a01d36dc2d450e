//! Middleware for [`reqwest`] clients: every attempt of every call carries the trace, a client span
//! of its own, and the strand clock.
//!
//! ```
//! use reqwest_middleware::ClientBuilder;
//! use towline_reqwest::Propagate;
//!
//! let client = ClientBuilder::new(reqwest::Client::new()).with(Propagate::new()).build();
//! # let _ = client;
//! ```
//!
//! Retry middleware belongs above it (`.with(retries).with(Propagate::new())`), so that each
//! attempt is a call of its own.
//!
//! **Redirects.** reqwest follows redirects below its middleware, with the headers of the first
//! attempt, wherever they lead. [`client`] makes a client that does not: [`Propagate`] follows them
//! itself, each an attempt of its own, its host judged anew.
//!
//! ```
//! # fn main() -> reqwest::Result<()> {
//! let client = towline_reqwest::client(reqwest::Client::builder())?;
//! # let _ = client; Ok(())
//! # }
//! ```
//!
//! **Deadlines**, where they are on ([`Config::deadlines`]): with nothing left no call is made, one
//! that is under way is given up, and [`is_timeout`] is true of the error. A timeout that the
//! request has itself is lowered, and so holds for its body too; else the deadline holds until the
//! head of the answer.

mod redirect;
mod timeout;

use std::sync::Once;
use std::time::Duration;

use http::Extensions;
use reqwest::{Request, Response, Url, redirect::Policy};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error, Middleware, Next, Result};
use towline_core::{Call, Config, Setup, Towline};

pub use redirect::TooManyRedirects;
pub use timeout::{TimedOut, is_timeout};

use redirect::{Original, REDIRECTS_MAX};

/// A client that carries the context by the settings of the environment, and follows redirects as
/// attempts of their own. For one with settings or further middleware, see
/// [`Propagate::follow_redirects`].
///
/// # Errors
///
/// As [`reqwest::ClientBuilder::build`].
pub fn client(builder: reqwest::ClientBuilder) -> reqwest::Result<ClientWithMiddleware> {
    let client = builder.redirect(Policy::none()).build()?;
    let propagate = Propagate::new().follow_redirects();
    Ok(ClientBuilder::new(client).with(propagate).build())
}

/// Carries the context on calls; see [the crate](self).
///
/// Inside a request it is that request's service and instance that call; what is set here decides
/// where clocks go, and names the traces that begin with a call. Without a current context a new
/// trace begins with the call, and `context/none` is counted.
#[derive(Clone, Debug, Default)]
pub struct Propagate {
    setup: Setup,
    follows: bool,
}

impl Propagate {
    /// Middleware by the settings of the environment.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of the service; see [`Config::service_name`].
    #[must_use]
    pub fn service_name(self, name: impl Into<String>) -> Self {
        self.config(|config| config.service_name(name))
    }

    /// Which instance of the service this is; see [`Config::instance`].
    #[must_use]
    pub fn instance(self, instance: impl Into<String>) -> Self {
        self.config(|config| config.instance(instance))
    }

    /// Hosts that clocks go to beside the local ones; see [`Config::propagate_to`].
    #[must_use]
    pub fn propagate_to(self, hosts: impl Into<String>) -> Self {
        self.config(|config| config.propagate_to(hosts))
    }

    /// Any other setting: `.config(|config| config.clock(ClockMode::V2))`.
    #[must_use]
    pub fn config(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.setup = self.setup.config(change);
        self
    }

    /// Follows redirects, 20 at most: each is an attempt with a span of its own, and its host is
    /// judged anew. For clients that are built with `redirect::Policy::none()`.
    ///
    /// As reqwest itself does, it makes `GET` of `POST` at 301 and 302, and of all but `HEAD` at
    /// 303, and takes out `authorization`, `cookie`, `proxy-authorization` and `www-authenticate`
    /// where scheme, host or port change; unlike it, it sets no `referer`. A request whose body can
    /// be sent only once is answered with the redirect.
    ///
    /// ```
    /// use reqwest::redirect::Policy;
    /// use reqwest_middleware::ClientBuilder;
    /// use towline_reqwest::Propagate;
    ///
    /// # fn main() -> reqwest::Result<()> {
    /// let client = reqwest::Client::builder().redirect(Policy::none()).build()?;
    /// let client = ClientBuilder::new(client).with(Propagate::new().follow_redirects()).build();
    /// # let _ = client; Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn follow_redirects(mut self) -> Self {
        self.follows = true;
        self
    }

    /// The instance, for its counters.
    #[must_use]
    pub fn towline(&self) -> Towline {
        self.setup.towline()
    }
}

/// Shares an instance that there is already, with its counters and observers.
impl From<&Towline> for Propagate {
    fn from(towline: &Towline) -> Self {
        Self {
            setup: Setup::from(towline),
            follows: false,
        }
    }
}

/// How many attempts went before; kept with a request once one has failed, or led elsewhere.
#[derive(Clone, Copy, Default)]
struct Attempts(u32);

#[async_trait::async_trait]
impl Middleware for Propagate {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        if Towline::is_under_way(request.headers()) {
            return next.run(request, extensions).await;
        }
        // What is seldom asked for makes the future of other calls no larger.
        if self.follows {
            return Box::pin(self.follow(request, extensions, next)).await;
        }
        let towline = self.towline();
        let Ok(left) = towline.time_left() else {
            return Err(Error::middleware(TimedOut));
        };
        let Some(mut call) = begin(&towline, &mut request, extensions) else {
            return next.run(request, extensions).await;
        };
        let result = match left {
            None => call.under_way(next.run(request, extensions)).await,
            Some(left) => Box::pin(within(left, &call, request, extensions, next)).await,
        };
        match &result {
            Ok(answer) => {
                call.answered_by(answer.status().as_u16(), answer.headers());
                // The body is out of sight from here: what was not said by now cannot be told.
                call.body_ended();
                warn_of_leak(&towline, &call, answer.url());
            }
            Err(_) => call.failed(),
        }
        if !matches!(&result, Ok(answer) if answer.status().is_success()) {
            let Attempts(before) = extensions.get().copied().unwrap_or_default();
            extensions.insert(Attempts(before.saturating_add(1)));
        }
        result
    }
}

impl Propagate {
    async fn follow(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let towline = self.towline();
        let each = Self::from(&towline);
        let mut original = Original::of(&request);
        let mut answer = each.handle(request, extensions, next.clone()).await?;
        let mut redirect_count = 0;
        while let Some(request) = original.next(&answer, &towline) {
            if redirect_count == REDIRECTS_MAX {
                return Err(Error::middleware(TooManyRedirects));
            }
            redirect_count += 1;
            answer = each.handle(request, extensions, next.clone()).await?;
        }
        Ok(answer)
    }
}

fn begin(towline: &Towline, request: &mut Request, extensions: &Extensions) -> Option<Call> {
    let Attempts(before) = extensions.get().copied().unwrap_or_default();
    let host = host_of(request.url());
    let call = towline.attempt_again(request.headers(), host, before)?;
    call.inject(request.headers_mut());
    Some(call)
}

/// Host and port. What stands before `@` is nobody's business.
fn host_of(url: &Url) -> &str {
    url.authority().rsplit('@').next().unwrap_or_default()
}

/// Gives the attempt up when no time is left.
async fn within(
    left: Duration,
    call: &Call,
    mut request: Request,
    extensions: &mut Extensions,
    next: Next<'_>,
) -> Result<Response> {
    if let Some(timeout) = request.timeout_mut() {
        *timeout = left.min(*timeout);
    }
    let sending = call.under_way(next.run(request, extensions));
    match tokio::time::timeout(left, sending).await {
        Ok(result) => result,
        Err(_elapsed) => Err(Error::middleware(TimedOut)),
    }
}

/// reqwest itself may have followed a redirect with the clock to a host that is not to have it.
fn warn_of_leak(towline: &Towline, call: &Call, answered_at: &Url) {
    static TOLD: Once = Once::new();
    if call.clock().is_none() {
        return;
    }
    let host = answered_at.host_str().unwrap_or_default();
    if !towline.settings().propagate_to.allows(host) {
        TOLD.call_once(|| {
            tracing::warn!(
                target: "towline",
                host,
                "reqwest followed a redirect with a clock to this host, which is not on the list: build the client with `towline_reqwest::client`; this is told once"
            );
        });
    }
}
