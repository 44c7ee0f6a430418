//! What people read: the table of claims, the line of each check, and what did not hold.

use crate::check::{Check, Otherwise, Outcome};
use crate::sections;

/// How one check ended.
pub(crate) struct Row {
    id: &'static str,
    claim: &'static str,
    pub(crate) verdict: Verdict,
}

pub(crate) enum Verdict {
    Passed,
    Failed { expected: String, came: String, requests: Vec<String> },
    Skipped(String),
}

impl Row {
    pub(crate) fn new(check: &Check, outcome: Outcome, requests: Vec<String>) -> Self {
        let verdict = match outcome {
            Ok(()) => Verdict::Passed,
            Err(Otherwise::Skipped(reason)) => Verdict::Skipped(reason),
            Err(Otherwise::Failed(failed)) => {
                Verdict::Failed { expected: failed.expected, came: failed.came, requests }
            }
        };
        Self { id: check.id, claim: check.claim, verdict }
    }

    pub(crate) fn line(&self) -> String {
        let word = match self.verdict {
            Verdict::Passed => "ok",
            Verdict::Failed { .. } => "FAILED",
            Verdict::Skipped(_) => "skipped",
        };
        format!("{word:<8}{}", self.id)
    }
}

/// Everything that is claimed.
pub(crate) fn list(checks: &[Check]) -> String {
    let mut text = String::new();
    let mut section = "";
    for check in checks {
        if check.section() != section {
            section = check.section();
            text.push_str(&format!("\n{section} {}\n", sections::title(section)));
        }
        text.push_str(&format!("  {}\n      {}\n", check.id, check.claim));
        if let Some(quirk) = &check.quirk {
            text.push_str(&format!("      quirk: {}\n      expected: {}\n", quirk.was, quirk.expected));
        }
    }
    let quirks = checks.iter().filter(|check| check.quirk.is_some()).count();
    text.push_str(&format!("\n{} checks, {quirks} of them about quirks of the original\n", checks.len()));
    text
}

/// What failed and what was skipped, and the line that counts.
pub(crate) fn summary(rows: &[Row]) -> String {
    /// A long exchange is understood from its end.
    const REQUESTS: usize = 14;
    let (mut text, mut passed, mut failed, mut skips) = (String::new(), 0, 0, Vec::new());
    for row in rows {
        match &row.verdict {
            Verdict::Passed => passed += 1,
            Verdict::Skipped(reason) => skips.push((row.id, reason)),
            Verdict::Failed { expected, came, requests } => {
                failed += 1;
                text.push_str(&format!(
                    "\nFAILED {}: {}\n  expected: {expected}\n  came:     {came}\n",
                    row.id, row.claim
                ));
                let from = requests.len().saturating_sub(REQUESTS);
                for request in &requests[from..] {
                    text.push_str(&format!("  | {request}\n"));
                }
            }
        }
    }
    skips.sort();
    if !skips.is_empty() {
        text.push_str("\nskipped:\n");
    }
    for (id, reason) in &skips {
        text.push_str(&format!("  {id}: {reason}\n"));
    }
    text.push_str(&format!("\nconformance: {passed} passed, {failed} failed, {} skipped\n", skips.len()));
    text
}
