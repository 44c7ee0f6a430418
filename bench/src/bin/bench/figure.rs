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
        Percentiles { p50: self.percentile(50), p95: self.percentile(95), p99: self.percentile(99) }
    }

    /// The smallest value that is not below that share of all values; of few values, the 99th of a hundred is the largest.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

/// What is told of many values.
#[derive(Clone, Copy, Debug, Serialize)]
struct Percentiles {
    p50: f64,
    p95: f64,
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
    /// The median, as a part of that of the comparison.
    Part(f64),
}

/// What figures stand beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// The same load without the server: what counts is the difference.
    Bare,
    /// Another server: what counts is the ratio.
    Aiortc,
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
    /// What the same load costs another server.
    #[serde(skip_serializing_if = "Option::is_none")]
    aiortc: Option<Percentiles>,
    /// The median by that of the other server.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
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
            aiortc: None,
            ratio: None,
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

    /// Beside the same with another server.
    pub(crate) fn beside_aiortc(mut self, other: &Samples) -> Self {
        let other = other.percentiles();
        self.aiortc = Some(other);
        self.ratio = Some(self.measured.p50 / other.p50);
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
            Some(Target::Part(most)) => self.ratio.map(|ratio| ratio <= most),
            None => None,
        };
        self
    }
}

/// The figures as people read them.
pub(crate) fn table(figures: &[Figure], beside: Beside) -> String {
    let mut table = match beside {
        Beside::Bare => row(["", "", "runs", "p50", "p99", "bare p50", "bare p99", "added", "target", ""]),
        Beside::Aiortc => {
            row(["", "", "runs", "p50", "p95", "aiortc 50", "aiortc 95", "ratio", "target", ""])
        }
    };
    for figure in figures {
        let some = |value: Option<f64>| value.map(number).unwrap_or_default();
        let target = match figure.target {
            Some(Target::Median(most)) => number(most),
            Some(Target::Added(most)) => format!("+{}", number(most)),
            Some(Target::Part(most)) => format!("x{}", number(most)),
            None => String::new(),
        };
        let [high, other, other_high, difference] = match beside {
            Beside::Bare => {
                let (p50, p99) = (figure.bare.map(|bare| bare.p50), figure.bare.map(|bare| bare.p99));
                [number(figure.measured.p99), some(p50), some(p99), some(figure.added)]
            }
            Beside::Aiortc => {
                let (p50, p95) = (figure.aiortc.map(|other| other.p50), figure.aiortc.map(|other| other.p95));
                [number(figure.measured.p95), some(p50), some(p95), some(figure.ratio)]
            }
        };
        table.push_str(&row([
            &figure.what,
            figure.unit,
            &figure.runs.to_string(),
            &number(figure.measured.p50),
            &high,
            &other,
            &other_high,
            &difference,
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
    let [what, unit, runs, p50, high, other_p50, other_high, difference, target, met] = cells;
    let row = format!(
        "{what:<57} {unit:<3} {runs:>5} {p50:>9} {high:>9} {other_p50:>9} {other_high:>9} {difference:>8} {target:>7} {met}"
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
        let lines = table(&figures, Beside::Bare);
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
    #[test]
    fn a_figure_stands_beside_another_server() {
        let (ours, theirs) = (Samples::new([10.0, 20.0, 30.0]), Samples::new([80.0]));
        let figures = [
            Figure::new("latency", "ms", &ours).beside_aiortc(&theirs).target(Target::Part(0.25)),
            Figure::new("time", "%", &ours).beside_aiortc(&theirs).target(Target::Part(0.2)),
        ];
        let lines = table(&figures, Beside::Aiortc);
        let words: Vec<Vec<&str>> = lines.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            words[1..],
            [
                vec!["latency", "ms", "3", "20.0", "30.0", "80.0", "80.0", "0.25", "x0.25", "met"],
                vec!["time", "%", "3", "20.0", "30.0", "80.0", "80.0", "0.25", "x0.20", "MISSED"],
            ]
        );
    }
}
