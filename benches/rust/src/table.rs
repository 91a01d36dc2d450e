//! What was measured, as tables in Markdown.

use std::fmt::{self, Write as _};

use crate::runner::{Line, Results};
use crate::variant::{MINIMUM, Table};

/// All tables that have lines.
pub(crate) fn tables(results: &Results) -> Result<String, fmt::Error> {
    let mut text = String::new();
    for table in Table::ALL {
        let lines: Vec<&Line> = results
            .0
            .iter()
            .filter(|line| line.table == table)
            .collect();
        if lines.is_empty() {
            continue;
        }
        writeln!(text, "### {}\n", table.title())?;
        match table {
            Table::Server | Table::Reqwest | Table::TowerClient => {
                added(&mut text, results, &lines)?
            }
            Table::Calls | Table::Codecs => plain(&mut text, &lines)?,
            Table::Loopback => ratios(&mut text, results, &lines)?,
        }
        text.push('\n');
    }
    Ok(text)
}

/// What is added to a bare one, and how much that is of what the minimum adds.
fn added(text: &mut String, results: &Results, lines: &[&Line]) -> fmt::Result {
    writeln!(
        text,
        "| | ns, least | ns, median | over bare, ns | × minimum | allocations | bytes |"
    )?;
    writeln!(text, "|---|--:|--:|--:|--:|--:|--:|")?;
    let minimum = lines.iter().find(|line| line.name == MINIMUM);
    let minimum = minimum.map(|line| results.beyond_bare(line).least);
    for line in lines {
        let beyond = results.beyond_bare(line);
        let (over, ratio) = match (&line.over, minimum) {
            (Some(_), Some(minimum)) => (
                format!("{:.0}", beyond.least),
                format!("{:.2}", beyond.least / minimum),
            ),
            (Some(_), None) => (format!("{:.0}", beyond.least), String::new()),
            (None, _) => (String::new(), String::new()),
        };
        let sign = if line.over.is_some() { "+" } else { "" };
        writeln!(
            text,
            "| {} | {:.0} | {:.0} | {over} | {ratio} | {sign}{} | {sign}{:.0} |",
            line.name,
            line.cost.least,
            line.cost.median,
            Count(beyond.allocations),
            beyond.bytes,
        )?;
    }
    Ok(())
}

fn plain(text: &mut String, lines: &[&Line]) -> fmt::Result {
    writeln!(text, "| | ns, least | ns, median | allocations | bytes |")?;
    writeln!(text, "|---|--:|--:|--:|--:|")?;
    for Line { name, cost, .. } in lines {
        let allocations = Count(cost.allocations);
        writeln!(
            text,
            "| {name} | {:.0} | {:.0} | {allocations} | {:.0} |",
            cost.least, cost.median, cost.bytes
        )?;
    }
    Ok(())
}

/// How much of it there is for one of the bare one.
fn ratios(text: &mut String, results: &Results, lines: &[&Line]) -> fmt::Result {
    writeln!(
        text,
        "| | ns, least | ns, median | least × bare | median × bare | allocations | bytes |"
    )?;
    writeln!(text, "|---|--:|--:|--:|--:|--:|--:|")?;
    for line in lines {
        let bare = line
            .over
            .as_deref()
            .and_then(|over| results.get(line.table, over));
        let cost = line.cost;
        let (least, median) = bare.map_or_else(Default::default, |bare| {
            let least = cost.least / bare.cost.least;
            (
                format!("{least:.3}"),
                format!("{:.3}", cost.median / bare.cost.median),
            )
        });
        let sign = if bare.is_some() { "+" } else { "" };
        let beyond = results.beyond_bare(line);
        writeln!(
            text,
            "| {} | {:.0} | {:.0} | {least} | {median} | {sign}{} | {sign}{:.0} |",
            line.name,
            cost.least,
            cost.median,
            Count(beyond.allocations),
            beyond.bytes
        )?;
    }
    Ok(())
}

/// A number of allocations: whole, unless blocks that grow are shared by many.
struct Count(f64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (self.0 - self.0.round()).abs() < 0.05 {
            write!(f, "{:.0}", self.0.round().abs())
        } else {
            write!(f, "{:.1}", self.0)
        }
    }
}
