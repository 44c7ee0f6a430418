//! `dispatch usage`

use std::process::ExitCode;

use clap::Args;
use meter::{Credits, Day};
use wire::account::{UsageResponse, UsageRow};

use super::{keys, report};
use crate::cli::Connection;
use crate::failure::Failure;
use crate::render::{Column, clean, grouped, table};

#[derive(Args)]
pub(crate) struct Options {
    /// The first day, YYYY-MM-DD in UTC; default: 29 days before the last
    #[arg(long, value_name = "DAY")]
    from: Option<Day>,

    /// The last day; default: today
    #[arg(long, value_name = "DAY")]
    to: Option<Day>,

    /// Only what this key used
    #[arg(long, value_name = "ID")]
    key: Option<String>,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let client = options.connection.client()?;
    let key = match &options.key {
        Some(key) => Some(keys::whole(&client, key).await?),
        None => None,
    };
    let day = |day: Option<Day>| day.map(|day| day.to_string());
    let answer = client.usage(day(options.from), day(options.to), key).await?;
    report(&options.connection, &answer, &shown(&answer.value))
}

/// A line for each day, key and model, and one with what all of it cost.
fn shown(answer: &UsageResponse) -> String {
    if answer.usage.is_empty() {
        return format!("nothing was used from {} to {}", clean(&answer.from), clean(&answer.to));
    }
    let columns = [
        Column::left("day"),
        Column::left("key"),
        Column::left("model"),
        Column::right("seconds"),
        Column::right("steps"),
        Column::right("input"),
        Column::right("cached"),
        Column::right("output"),
        Column::right("credits"),
    ];
    let mut rows: Vec<[String; 9]> = answer.usage.iter().map(row).collect();
    let credits = answer.usage.iter().map(|row| row.credits.parse::<Credits>().ok());
    let total = credits.collect::<Option<Vec<_>>>().and_then(Credits::checked_sum);
    if let Some(total) = total.filter(|_| rows.len() > 1) {
        let mut last: [String; 9] = Default::default();
        last[0] = "total".to_owned();
        last[8] = total.to_string();
        rows.push(last);
    }
    table(&columns, &rows)
}

fn row(row: &UsageRow) -> [String; 9] {
    let count = |count: u64| if count == 0 { String::new() } else { grouped(count) };
    [
        clean(&row.day),
        keys::short(&row.key),
        clean(&row.model),
        count(row.seconds),
        count(row.steps),
        count(row.input_tokens),
        count(row.cached_tokens),
        count(row.output_tokens),
        clean(&row.credits),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_a_table_with_its_sum() {
        let row = |day: &str, model: &str, credits: &str| UsageRow {
            day: day.to_owned(),
            key: "local".to_owned(),
            model: model.to_owned(),
            seconds: 0,
            steps: 2,
            input_tokens: 1234,
            cached_tokens: 0,
            output_tokens: 5,
            credits: credits.to_owned(),
        };
        let sessions = UsageRow {
            seconds: 61,
            steps: 0,
            input_tokens: 0,
            output_tokens: 0,
            ..row("2026-06-02", "mirage", "1.22")
        };
        let mut answer = UsageResponse {
            from: "2026-06-01".to_owned(),
            to: "2026-06-30".to_owned(),
            usage: vec![row("2026-06-01", "demo/demo", "0.000001"), sessions],
        };
        let expected = "\
day         key    model      seconds  steps  input  cached  output   credits
2026-06-01  local  demo/demo               2  1,234               5  0.000001
2026-06-02  local  mirage          61                                    1.22
total                                                                1.220001";
        assert_eq!(shown(&answer), expected);
        answer.usage.clear();
        assert_eq!(shown(&answer), "nothing was used from 2026-06-01 to 2026-06-30");
    }
}
