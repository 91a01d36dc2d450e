//! A verdict for each rule.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::case::Case;
use super::exchange::Exchange;
use super::rule::Rule;
use crate::show::show;
use crate::text::Charset;

/// The most cases of one rule that are named.
const NAMED_MAX: usize = 8;

/// What the cases came to, by their rules. Text in it is safe to print, whatever the service sent.
#[derive(Clone, Debug, Default)]
pub struct Results {
    rules: BTreeMap<Rule, Verdict>,
}

#[derive(Clone, Debug, Default)]
struct Verdict {
    case_count: usize,
    /// The name of the case, and why it failed.
    failures: Vec<(String, String)>,
}

impl Results {
    /// Judges a case by what was seen.
    pub fn add(&mut self, case: &Case, exchange: &Exchange) {
        let verdict = self.rules.entry(case.rule()).or_default();
        verdict.case_count += 1;
        if let Err(why) = case.judge(exchange) {
            verdict.failures.push((show(case.name()), show(&why)));
        }
    }

    /// The rules that were broken, in their order.
    #[must_use]
    pub fn broken(&self) -> Vec<Rule> {
        let broken = self
            .rules
            .iter()
            .filter(|(_, verdict)| !verdict.failures.is_empty());
        broken.map(|(&rule, _)| rule).collect()
    }

    /// The cases of a rule that failed, each with why.
    #[must_use]
    pub fn failures(&self, rule: Rule) -> &[(String, String)] {
        self.rules
            .get(&rule)
            .map_or(&[], |verdict| &verdict.failures)
    }

    /// Whether every rule that was asked for is kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !self.rules.is_empty() && self.broken().is_empty()
    }

    fn case_count(&self) -> usize {
        self.rules.values().map(|verdict| verdict.case_count).sum()
    }

    /// A line for each rule, with what failed below it; ends with a line break.
    #[must_use]
    pub fn text(&self, charset: Charset) -> String {
        let mut out = String::new();
        for (rule, verdict) in &self.rules {
            let word = if verdict.failures.is_empty() {
                "pass"
            } else {
                "FAIL"
            };
            let cases = format!(
                "{} of {}",
                verdict.case_count - verdict.failures.len(),
                verdict.case_count
            );
            let _ = writeln!(
                out,
                "{word}  {:<26} {cases:>8}  {} ({})",
                rule.id(),
                rule.title(),
                rule.source()
            );
            for (name, why) in verdict.failures.iter().take(NAMED_MAX) {
                let _ = writeln!(out, "  case  {name}: {why}");
            }
            if let Some(more) = verdict
                .failures
                .len()
                .checked_sub(NAMED_MAX)
                .filter(|&more| more > 0)
            {
                let _ = writeln!(out, "  case  {more} more like these");
            }
        }
        let (all, broken) = (self.rules.len(), self.broken().len());
        let word = if self.is_kept() { "ok" } else { "failed" };
        let _ = writeln!(
            out,
            "{word}: {} of {all} rules kept, {} cases",
            all - broken,
            self.case_count()
        );
        charset.write(&out)
    }

    /// One JSON document of the schema `towline.conformance/1`: `data` are the rules.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "schema": "towline.conformance/1",
            "total": self.rules.len(),
            "truncated": false,
            "data": self.rules.iter().map(|(rule, verdict)| json!({
                "rule": rule.id(),
                "title": rule.title(),
                "source": rule.source(),
                "verdict": if verdict.failures.is_empty() { "pass" } else { "fail" },
                "case_count": verdict.case_count,
                "failures": verdict.failures.iter().map(|(name, why)| json!({"case": name, "why": why})).collect::<Value>(),
            })).collect::<Value>(),
            "kept": self.is_kept(),
            "case_count": self.case_count(),
        })
    }
}
