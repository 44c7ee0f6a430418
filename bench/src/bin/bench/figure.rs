//! Measured values, and the table of them.

use std::time::Duration;

use serde::Serialize;

/// All values of one measurement, sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        Self(values)
    }

    /// In milliseconds.
    pub(crate) fn times(times: impl IntoIterator<Item = Duration>) -> Self {
        Self::new(times.into_iter().map(|time| time.as_secs_f64() * 1000.0))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn percentiles(&self) -> Percentiles {
        Percentiles { p50: self.percentile(50), p99: self.percentile(99) }
    }

    /// The smallest value that is not below that share of all values; of few values, the 99th of a hundred is the largest.
    fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

/// What is told of many values.
#[derive(Clone, Copy, Debug, Serialize)]
struct Percentiles {
    p50: f64,
    p99: f64,
}

/// What a target is about.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Target {
    /// The median.
    Median(f64),
    /// The difference between the median and that of the comparison.
    Added(f64),
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figure {
    what: String,
    unit: &'static str,
    runs: usize,
    #[serde(flatten)]
    measured: Percentiles,
    /// What the same load costs without the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    bare: Option<Percentiles>,
    /// The difference of the medians.
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
}

impl Figure {
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, samples: &Samples) -> Self {
        Self {
            what: what.into(),
            unit,
            runs: samples.len(),
            measured: samples.percentiles(),
            bare: None,
            added: None,
            target: None,
            met: None,
        }
    }

    /// Beside the same without the server.
    pub(crate) fn beside(mut self, bare: &Samples) -> Self {
        let bare = bare.percentiles();
        self.bare = Some(bare);
        self.added = Some(self.measured.p50 - bare.p50);
        self.judged()
    }

    pub(crate) fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self.judged()
    }

    fn judged(mut self) -> Self {
        self.met = match self.target {
            Some(Target::Median(most)) => Some(self.measured.p50 <= most),
            Some(Target::Added(most)) => self.added.map(|added| added <= most),
            None => None,
        };
        self
    }
}

/// The figures as people read them.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut table = row(["", "", "runs", "p50", "p99", "bare p50", "bare p99", "added", "target", ""]);
    for figure in figures {
        let some = |value: Option<f64>| value.map(number).unwrap_or_default();
        let target = match figure.target {
            Some(Target::Median(most)) => number(most),
            Some(Target::Added(most)) => format!("+{}", number(most)),
            None => String::new(),
        };
        table.push_str(&row([
            &figure.what,
            figure.unit,
            &figure.runs.to_string(),
            &number(figure.measured.p50),
            &number(figure.measured.p99),
            &some(figure.bare.map(|bare| bare.p50)),
            &some(figure.bare.map(|bare| bare.p99)),
            &some(figure.added),
            &target,
            match figure.met {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "",
            },
        ]));
    }
    table
}

fn row(cells: [&str; 10]) -> String {
    let [what, unit, runs, p50, p99, bare_p50, bare_p99, added, target, met] = cells;
    let row = format!(
        "{what:<57} {unit:<3} {runs:>5} {p50:>9} {p99:>9} {bare_p50:>9} {bare_p99:>9} {added:>8} {target:>7} {met}"
    );
    format!("{}\n", row.trim_end())
}

fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let samples = Samples::new((1..=200).rev().map(f64::from));
        assert_eq!((samples.percentile(50), samples.percentile(99)), (100.0, 198.0));
        let few = Samples::new([3.0, 1.0, 2.0]);
        assert_eq!((few.percentile(50), few.percentile(99)), (2.0, 3.0));
        assert!(Samples::default().percentile(50).is_nan());
    }

    #[test]
    fn a_figure_stands_beside_its_target() {
        let samples = Samples::new([3.0, 4.0, 1000.25]);
        let bare = Samples::new([1.0]);
        let figures = [
            Figure::new("plain", "ms", &samples),
            Figure::new("whole", "ms", &samples).target(Target::Median(4.0)),
            Figure::new("added", "ms", &samples).target(Target::Added(2.5)).beside(&bare),
        ];
        let lines = table(&figures);
        let words: Vec<Vec<&str>> = lines.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            words[1..],
            [
                vec!["plain", "ms", "3", "4.00", "1000"],
                vec!["whole", "ms", "3", "4.00", "1000", "4.00", "met"],
                vec!["added", "ms", "3", "4.00", "1000", "1.00", "1.00", "3.00", "+2.50", "MISSED"],
            ]
        );
    }
}
