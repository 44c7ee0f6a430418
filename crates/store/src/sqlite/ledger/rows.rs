//! The rows of the ledger, and what is kept up to date with each of them.

use std::ops::RangeInclusive;

use meter::{Credits, DailyUsage, Day, KeyId, Price, Rate};
use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::StepMetrics;

use super::super::fault::Fault;
use super::super::row;
use super::super::schema::{signed, unsigned};
use super::keys;
use crate::ledger::overflow;
use crate::now;

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Second,
    Step,
    Credit,
    Ended,
}

impl Kind {
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Step => 2,
            Self::Credit => 3,
            Self::Ended => 4,
        }
    }

    pub(super) fn of(number: i64) -> Option<Self> {
        [Self::Second, Self::Step, Self::Credit, Self::Ended].into_iter().find(|kind| kind.number() == number)
    }
}

/// A row that is to be written.
pub(super) struct New {
    pub(super) kind: Kind,
    /// The key of what it is about.
    pub(super) subject: i64,
    pub(super) n: u64,
    /// The key of the key.
    pub(super) payer: i64,
    pub(super) change: Credits,
    pub(super) at: u64,
}

pub(super) fn insert(conn: &Connection, new: &New) -> Result<(), Fault> {
    let New { kind, subject, n, payer, change, at } = new;
    conn.prepare_cached(
        "INSERT INTO ledger (kind, subject, n, payer, change, at) VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![kind.number(), subject, signed(*n), payer, change.micros(), signed(*at)])?;
    Ok(())
}

/// The position of the last row.
pub(super) fn last(conn: &Connection) -> rusqlite::Result<u64> {
    conn.prepare_cached("SELECT coalesce(max(position), 0) FROM ledger")?
        .query_row([], |row| row::number(row, 0))
}

/// What is added to the usage of a day.
#[derive(Default)]
pub(super) struct Used<'a> {
    pub(super) model: &'a str,
    pub(super) seconds: u64,
    pub(super) steps: u64,
    pub(super) input_tokens: u64,
    pub(super) cached_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) credits: Credits,
}

pub(super) fn add_usage(conn: &Connection, payer: i64, at: u64, used: &Used<'_>) -> Result<(), Fault> {
    let Used { model, seconds, steps, input_tokens, cached_tokens, output_tokens, credits } = used;
    // What a provider claims may be anything, and must not keep others from being counted.
    conn.prepare_cached(
        "INSERT INTO usage_days (day, payer, model, seconds, steps, input_tokens, cached_tokens, output_tokens,
         credits) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET seconds = seconds + ?4, steps = steps + ?5,
         input_tokens = min(input_tokens, 9223372036854775807 - ?6) + ?6,
         cached_tokens = min(cached_tokens, 9223372036854775807 - ?7) + ?7,
         output_tokens = min(output_tokens, 9223372036854775807 - ?8) + ?8,
         credits = credits + ?9",
    )?
    .execute(params![
        Day::of(at).number(),
        payer,
        model,
        signed(*seconds),
        signed(*steps),
        signed(*input_tokens),
        signed(*cached_tokens),
        signed(*output_tokens),
        credits.micros(),
    ])?;
    Ok(())
}

/// Charges a step of a turn, if somebody pays for it. Its index counts the steps of the turn from 0.
pub(in crate::sqlite) fn charge_step(
    conn: &Connection,
    turn: i64,
    index: usize,
    step: &StepMetrics,
) -> Result<(), Fault> {
    let found = conn
        .prepare_cached(
            "SELECT p.payer, t.model, p.input_tokens, p.output_tokens, p.cached_tokens FROM paid_turns p
             JOIN turns t ON t.key = p.turn WHERE p.turn = ?",
        )?
        .query_row([turn], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, Option<String>>(1)?,
                Price {
                    per_second: Rate::FREE,
                    per_million_input_tokens: rate(row, 2)?,
                    per_million_output_tokens: rate(row, 3)?,
                    per_million_cached_tokens: row.get::<_, Option<i64>>(4)?.map(as_rate),
                },
            ))
        })
        .optional()?;
    let Some((payer, model, price)) = found else { return Ok(()) };
    let at = now();
    let mut account = keys::account(conn, payer)?;
    let credits = price.of_step(&step.usage).ok_or_else(|| Fault::Failed(overflow()))?;
    account.charge(credits).map_err(|refusal| Fault::Failed(refusal.into()))?;
    keys::save(conn, payer, &account)?;
    let change = Credits::from_micros(credits.micros().saturating_neg());
    insert(conn, &New { kind: Kind::Step, subject: turn, n: index as u64, payer, change, at })?;
    let used = Used {
        model: model.as_deref().unwrap_or_default(),
        steps: 1,
        input_tokens: step.usage.input_tokens,
        cached_tokens: step.usage.cache_read_tokens.unwrap_or(0),
        output_tokens: step.usage.output_tokens,
        credits,
        ..Used::default()
    };
    add_usage(conn, payer, at, &used)
}

/// A price as a column holds it. One below zero is one that somebody else wrote.
pub(super) fn rate(row: &Row<'_>, column: usize) -> rusqlite::Result<Rate> {
    row.get(column).map(as_rate)
}

fn as_rate(micros: i64) -> Rate {
    Rate::try_from(Credits::from_micros(micros)).unwrap_or_default()
}

pub(super) fn credits(row: &Row<'_>, column: usize) -> rusqlite::Result<Credits> {
    row.get(column).map(Credits::from_micros)
}

pub(super) fn usage(
    conn: &Connection,
    days: &RangeInclusive<Day>,
    key: Option<&KeyId>,
) -> rusqlite::Result<Vec<DailyUsage>> {
    conn.prepare_cached(
        "SELECT u.day, k.id, u.model, u.seconds, u.steps, u.input_tokens, u.cached_tokens, u.output_tokens,
         u.credits FROM usage_days u JOIN keys k ON k.key = u.payer
         WHERE u.day >= ?1 AND u.day <= ?2 AND (?3 IS NULL OR k.id = ?3) ORDER BY u.day, u.payer, u.model",
    )?
    .query_map(params![days.start().number(), days.end().number(), key.map(KeyId::as_str)], |row| {
        Ok(DailyUsage {
            day: Day::from_number(u32::try_from(unsigned(row.get(0)?)).unwrap_or(u32::MAX)),
            key: KeyId::new(row.get::<_, String>(1)?),
            model: row.get(2)?,
            seconds: row::number(row, 3)?,
            steps: row::number(row, 4)?,
            input_tokens: row::number(row, 5)?,
            cached_tokens: row::number(row, 6)?,
            output_tokens: row::number(row, 7)?,
            credits: credits(row, 8)?,
        })
    })?
    .collect()
}
