//! `dispatch metrics`, `dispatch throughput`

use std::process::ExitCode;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use wire::transport::{ModelThroughput, ThroughputPeriod};
use wire::{StepMetrics, TurnMetrics, Usage};

use super::report;
use crate::cli::{Connection, Subject};
use crate::failure::Failure;
use crate::render::{Column, clean, duration, grouped, short, table};

pub(crate) async fn metrics(subject: Subject) -> Result<ExitCode, Failure> {
    let (client, id) = subject.find().await?;
    let answer = client.metrics(&id).await?;
    let turns = &answer.value.turns;
    let text = if turns.is_empty() {
        format!("no turn of {} is finished", short(&id))
    } else {
        turns_as_table(turns)
    };
    report(&subject.connection, &answer, &text)
}

/// A line for each turn, and under it one for each step.
fn turns_as_table(turns: &[TurnMetrics]) -> String {
    let columns = [
        Column::left("turn"),
        Column::left("step"),
        Column::right("input"),
        Column::right("cached"),
        Column::right("output"),
        Column::right("first token"),
        Column::right("generation"),
        Column::right("tokens/s"),
        Column::right("context"),
        Column::right("took"),
    ];
    let mut rows = Vec::new();
    for (number, turn) in turns.iter().enumerate() {
        let [input, cached, output] = tokens(&turn.usage);
        let context = turn.context_size.map(grouped).unwrap_or_default();
        let took = turn.duration_ms.map(duration).unwrap_or_default();
        let none = String::new;
        let turn_number = (number + 1).to_string();
        rows.push([turn_number, none(), input, cached, output, none(), none(), none(), context, took]);
        rows.extend(turn.steps.iter().enumerate().map(|(number, step)| step_row(number + 1, step)));
    }
    table(&columns, &rows)
}

fn step_row(number: usize, step: &StepMetrics) -> [String; 10] {
    let [input, cached, output] = tokens(&step.usage);
    let first = step.ttft_ms.map(duration).unwrap_or_default();
    let generation = step.gen_total_ms.map(duration).unwrap_or_default();
    let speed = step.gen_total_ms.map(|ms| speed(step.usage.output_tokens, ms)).unwrap_or_default();
    let none = String::new;
    [none(), number.to_string(), input, cached, output, first, generation, speed, none(), none()]
}

fn tokens(usage: &Usage) -> [String; 3] {
    let cached = usage.cache_read_tokens.map(grouped).unwrap_or_default();
    [grouped(usage.input_tokens), cached, grouped(usage.output_tokens)]
}

/// Tokens per second, with one digit after the point; nothing where no time went by.
fn speed(tokens: u64, ms: u64) -> String {
    let tenths = tokens.saturating_mul(10_000).checked_div(ms);
    tenths.map(|tenths| format!("{}.{}", grouped(tenths / 10), tenths % 10)).unwrap_or_default()
}

#[derive(Args)]
pub(crate) struct Throughput {
    /// How long
    #[arg(long, value_enum, default_value = "day")]
    period: Period,

    /// Which: YYYY-MM-DD, or YYYY-MM for a month; default: the current one
    #[arg(long, value_name = "DATE")]
    date: Option<String>,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Clone, Copy, Debug)]
struct Period(ThroughputPeriod);

impl ValueEnum for Period {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self(ThroughputPeriod::Day), Self(ThroughputPeriod::Week), Self(ThroughputPeriod::Month)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

impl Period {
    fn name(self) -> &'static str {
        match self.0 {
            ThroughputPeriod::Day => "day",
            ThroughputPeriod::Week => "week",
            ThroughputPeriod::Month => "month",
        }
    }

    /// The current one, where the client is.
    fn current(self) -> String {
        let today = jiff::Zoned::now().date();
        match self.0 {
            ThroughputPeriod::Day | ThroughputPeriod::Week => today.strftime("%Y-%m-%d").to_string(),
            ThroughputPeriod::Month => today.strftime("%Y-%m").to_string(),
        }
    }
}

pub(crate) async fn throughput(options: Throughput) -> Result<ExitCode, Failure> {
    let client = options.connection.client()?;
    let date = options.date.unwrap_or_else(|| options.period.current());
    let answer = client.throughput(options.period.0, &date).await?;
    let text = if answer.value.models.is_empty() {
        format!("no turn was finished in the {} of {}", options.period.name(), clean(&answer.value.date))
    } else {
        let columns = [
            Column::left("model"),
            Column::right("tokens/s"),
            Column::right("output"),
            Column::right("generation"),
            Column::right("turns"),
        ];
        table(&columns, &answer.value.models.iter().map(model_row).collect::<Vec<_>>())
    };
    report(&options.connection, &answer, &text)
}

fn model_row(model: &ModelThroughput) -> [String; 5] {
    [
        clean(&model.model),
        format!("{:.1}", model.tokens_per_second),
        grouped(model.total_output_tokens),
        duration(model.total_gen_ms),
        grouped(model.turns),
    ]
}

#[cfg(test)]
mod tests {
    use wire::{StepId, TurnId};

    use super::*;

    #[test]
    fn turns_and_their_steps_are_a_table() {
        let usage = |input_tokens, output_tokens, cache_read_tokens| Usage {
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens: None,
        };
        let id = TurnId::new("t");
        let step = |number, usage, ms: Option<u64>| StepMetrics {
            step_id: StepId::of(&id, number),
            usage,
            ttft_ms: ms.map(|ms| ms / 10),
            decode_ms: ms.map(|ms| ms - ms / 10),
            gen_total_ms: ms,
        };
        let turns = [
            TurnMetrics {
                turn_id: id.clone(),
                usage: usage(3000, 150, Some(1000)),
                duration_ms: Some(61_000),
                steps: vec![
                    step(0, usage(1000, 50, None), Some(2000)),
                    step(1, usage(2000, 100, Some(1000)), Some(3000)),
                ],
                context_size: Some(2100),
            },
            TurnMetrics {
                turn_id: id.clone(),
                usage: Usage::default(),
                duration_ms: None,
                steps: vec![step(0, Usage::default(), None)],
                context_size: None,
            },
        ];
        let expected = "\
turn  step  input  cached  output  first token  generation  tokens/s  context       took
1           3,000   1,000     150                                       2,100  1 min 1 s
      1     1,000              50       200 ms       2.0 s      25.0
      2     2,000   1,000     100       300 ms       3.0 s      33.3
2               0               0
      1         0               0";
        assert_eq!(turns_as_table(&turns), expected);
        assert_eq!([speed(5, 0), speed(1_234_567, 1000)], ["", "1,234,567.0"]);
    }
}
