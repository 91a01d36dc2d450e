//! What is to be reached, as ratios within one run.

use std::fmt::{self, Write as _};

use crate::runner::{Line, Results};
use crate::variant::{MINIMUM, Table};

/// A figure that may not be exceeded.
struct Target {
    what: &'static str,
    most: f64,
    /// None where a rival was not measured.
    is: Option<f64>,
}

/// All of them that were measured, as a table.
pub(crate) fn table(results: &Results) -> Result<String, fmt::Error> {
    let mut text = String::from("| | at most | is | |\n|---|--:|--:|---|\n");
    for Target { what, most, is } in targets(&Figures(results)) {
        if let Some(is) = is {
            let verdict = if is <= most { "" } else { "**missed**" };
            writeln!(text, "| {what} | {most:.2} | {is:.2} | {verdict} |")?;
        }
    }
    Ok(text)
}

fn targets(of: &Figures<'_>) -> Vec<Target> {
    use Table::{Calls, Loopback, Reqwest, Server};

    let target = |what, most, is| Target { what, most, is };
    let minimum = of.cost(Server, MINIMUM);
    let context = of.cost(Server, "towline");
    let clock = of.cost(Server, "towline, clock of 4");
    let routed = of.cost(Server, "towline, clock of 4, Router::layer");
    let empty = of.cost(Server, "empty layer, Router::layer");
    let fastrace = of.cost(Server, "fastrace-axum, no-op reporter");
    let otel = of.cost(Server, "axum-tracing-opentelemetry, sampling off");
    let readme = of.cost(
        Server,
        "axum-tracing-opentelemetry as in its README, sampling off",
    );
    let raceway = of.cost(Server, "raceway 0.1.0, v1 of 5");
    let hop = of
        .cost(Server, "towline, clock of 63")
        .and_then(|most| Some((most - of.cost(Server, "towline, clock of 1")?) / 62.0));
    let client_minimum = of.cost(Reqwest, MINIMUM);
    let withheld = of.cost(Reqwest, "towline, clock withheld");
    let sent = of.cost(Reqwest, "towline, with clock");
    let tracing = of.cost(Reqwest, "reqwest-tracing, OpenTelemetry, batch exporter");
    let growth = |kind: &str, end: &str, to: &str, from: &str| {
        let at = |place: &str| of.cost(Calls, &format!("10,000 calls {kind}: the {place}{end}"));
        ratio(at(to), at(from))
    };
    let (in_order, at_random) = (
        "all sent, then joined in order",
        "all sent, then joined at random",
    );
    vec![
        target(
            "server, context only: cost of minima",
            1.8,
            ratio(context, minimum),
        ),
        target(
            "server, context only: allocations",
            0.0,
            of.allocations(Server, "towline"),
        ),
        target(
            "server, context read: allocations",
            1.0,
            of.allocations(Server, "towline, context read"),
        ),
        target(
            "server, clock of 4: cost of minima",
            4.5,
            ratio(clock, minimum),
        ),
        target(
            "server, clock of 4: allocations",
            4.0,
            of.allocations(Server, "towline, clock of 4"),
        ),
        target(
            "server, clock of 4: of fastrace's cost",
            1.0,
            ratio(clock, fastrace),
        ),
        target(
            "server, clock of 4: of OpenTelemetry's cost, sampling off",
            0.1,
            ratio(clock, otel),
        ),
        target(
            "server, clock of 4, Router::layer: of OpenTelemetry's cost as in its README",
            0.1,
            ratio(routed, readme),
        ),
        target(
            "server, clock of 4: of Raceway's cost, v1 of 5",
            1.0 / 15.0,
            ratio(clock, raceway),
        ),
        target(
            "server, clock of 4, Router::layer: of the same around the router and an empty layer",
            1.0,
            ratio(routed, clock.zip(empty).map(|(clock, empty)| clock + empty)),
        ),
        target("server, from 1 to 63 hops: ns for each", 40.0, hop),
        target(
            "calls in sequence: the 1,000th of the 10th",
            1.25,
            growth("in sequence", "", "1,000th", "10th"),
        ),
        target(
            "calls in sequence: the 10,000th of the 100th",
            1.25,
            growth("in sequence", "", "10,000th", "100th"),
        ),
        target(
            "calls all sent, then joined: sending the 1,000th of the 10th",
            1.25,
            growth(in_order, " sent", "1,000th", "10th"),
        ),
        target(
            "calls all sent, then joined: sending the 10,000th of the 100th",
            1.25,
            growth(in_order, " sent", "10,000th", "100th"),
        ),
        target(
            "calls all sent, then joined in order: joining the 1,000th of the 10th",
            1.25,
            growth(in_order, " joined", "1,000th", "10th"),
        ),
        target(
            "calls all sent, then joined in order: joining the 10,000th of the 100th",
            1.25,
            growth(in_order, " joined", "10,000th", "100th"),
        ),
        target(
            "calls all sent, then joined at random: joining the 1,000th of the 10th",
            1.25,
            growth(at_random, " joined", "1,000th", "10th"),
        ),
        target(
            "calls all sent, then joined at random: joining the 10,000th of the 100th",
            1.25,
            growth(at_random, " joined", "10,000th", "100th"),
        ),
        target(
            "reqwest, clock withheld: cost of minima",
            2.5,
            ratio(withheld, client_minimum),
        ),
        target(
            "reqwest, clock withheld: allocations",
            2.0,
            of.allocations(Reqwest, "towline, clock withheld"),
        ),
        target(
            "reqwest, with clock: of reqwest-tracing's cost",
            0.25,
            ratio(sent, tracing),
        ),
        target(
            "loopback, context only: × bare",
            1.1,
            of.of_bare(Loopback, "towline"),
        ),
        target(
            "loopback, clock of 4: × bare",
            1.1,
            of.of_bare(Loopback, "towline, clock of 4"),
        ),
    ]
}

fn ratio(of: Option<f64>, to: Option<f64>) -> Option<f64> {
    Some(of? / to?)
}

/// The least figures of a run.
struct Figures<'a>(&'a Results);

impl Figures<'_> {
    fn line(&self, table: Table, name: &str) -> Option<&Line> {
        self.0.get(table, name)
    }

    /// Nanoseconds over bare.
    fn cost(&self, table: Table, name: &str) -> Option<f64> {
        Some(self.0.beyond_bare(self.line(table, name)?).least)
    }

    /// Allocations over bare.
    fn allocations(&self, table: Table, name: &str) -> Option<f64> {
        Some(
            self.0
                .beyond_bare(self.line(table, name)?)
                .allocations
                .round()
                + 0.0,
        )
    }

    fn of_bare(&self, table: Table, name: &str) -> Option<f64> {
        let line = self.line(table, name)?;
        let bare = self.line(table, line.over.as_deref()?)?;
        Some(line.cost.least / bare.cost.least)
    }
}
