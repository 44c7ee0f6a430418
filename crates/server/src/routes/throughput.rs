//! `GET /metrics/throughput`: how fast models were, in the server's own days, weeks and months.

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};
use serde::Deserialize;
use wire::ErrorCode;
use wire::transport::{ModelThroughput, ThroughputPeriod, ThroughputResponse};

use crate::App;
use crate::answer::Refusal;
use crate::extract::Query;
use crate::openapi::{Kind, Operation, get};

pub(super) fn operation() -> Operation {
    get("/metrics/throughput", throughput, "throughput")
        .says(
            "Read how fast models were",
            "Output tokens over the time of generation, tools not counted, of the turns that were sealed in the period; the \
             fastest first. Periods begin at midnight where the server is.",
        )
        .required_query(
            "period",
            Kind::OneOf(&["day", "week", "month"]),
            "A day, the ISO week (Monday to Sunday) around a day, or a month.",
            "month",
        )
        .required_query("date", Kind::Text, "`YYYY-MM-DD`, or `YYYY-MM` for a month.", "2026-06")
        .answers::<ThroughputResponse>("The models that were used.")
        .fails(&[ErrorCode::InvalidRequest, ErrorCode::StoreFailed])
}

#[derive(Deserialize)]
struct ThroughputQuery {
    period: Option<String>,
    date: Option<String>,
}

async fn throughput(
    State(app): State<App>,
    Query(query): Query<ThroughputQuery>,
) -> Result<Json<ThroughputResponse>, Refusal> {
    let period = match query.period.as_deref() {
        Some("day") => ThroughputPeriod::Day,
        Some("week") => ThroughputPeriod::Week,
        Some("month") => ThroughputPeriod::Month,
        Some(_) | None => return Err(Refusal::invalid("`period` must be one of: day, week, month")),
    };
    let date = query.date.unwrap_or_default();
    let Some((start, end)) = bounds(period, &date, &TimeZone::system()) else {
        let form = match period {
            ThroughputPeriod::Day | ThroughputPeriod::Week => "YYYY-MM-DD",
            ThroughputPeriod::Month => "YYYY-MM",
        };
        return Err(Refusal::invalid(format!("`date` must be a date of the form {form}, from 1970 on")));
    };
    let rows = app.engine.store().throughput(start, end).await?;
    let mut models: Vec<ModelThroughput> = rows.into_iter().map(measured).collect();
    models.sort_by(|a, b| b.tokens_per_second.total_cmp(&a.tokens_per_second));
    Ok(Json(ThroughputResponse { period, date, start, end, models }))
}

fn measured(row: store::Throughput) -> ModelThroughput {
    let store::Throughput { model, output_tokens, gen_ms, turns } = row;
    #[allow(clippy::cast_precision_loss)]
    let tokens_per_second = output_tokens as f64 * 1000.0 / gen_ms.max(1) as f64;
    ModelThroughput {
        model,
        tokens_per_second,
        total_output_tokens: output_tokens,
        total_gen_ms: gen_ms,
        turns,
    }
}

/// The first and the first-no-longer millisecond of a period. None if the date is none, or is out of range.
fn bounds(period: ThroughputPeriod, date: &str, zone: &TimeZone) -> Option<(u64, u64)> {
    let (first, length): (Date, Span) = match period {
        ThroughputPeriod::Day => (day(date)?, 1.day()),
        ThroughputPeriod::Week => {
            let day = day(date)?;
            let since_monday = i64::from(day.weekday().to_monday_zero_offset());
            (day.checked_sub(since_monday.days()).ok()?, 1.week())
        }
        ThroughputPeriod::Month => (day(&format!("{date}-01"))?, 1.month()),
    };
    let midnight = |date: Date| {
        let at = date.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond();
        u64::try_from(at).ok()
    };
    Some((midnight(first)?, midnight(first.checked_add(length).ok()?)?))
}

/// A date of the form `YYYY-MM-DD`, and of no other.
fn day(date: &str) -> Option<Date> {
    let mut parts = date.split('-');
    let mut number = |digits: usize| {
        let part = parts.next()?;
        let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        if plain { part.parse::<i16>().ok() } else { None }
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() {
        return None;
    }
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    #[test]
    fn a_day_begins_at_local_midnight_and_is_as_long_as_it_is() {
        let day = |date| bounds(ThroughputPeriod::Day, date, &berlin()).unwrap();
        // 2026-06-22T00:00 in Berlin is 2026-06-21T22:00Z.
        assert_eq!(day("2026-06-22"), (1_782_079_200_000, 1_782_079_200_000 + 24 * HOUR));
        let (start, end) = day("2026-03-29");
        assert_eq!(end - start, 23 * HOUR, "the clock goes forward");
        let (start, end) = day("2026-10-25");
        assert_eq!(end - start, 25 * HOUR, "the clock goes back");
    }

    #[test]
    fn a_week_is_monday_to_sunday_and_a_month_a_calendar_month() {
        let week = |date| bounds(ThroughputPeriod::Week, date, &TimeZone::UTC).unwrap();
        let day = |date| bounds(ThroughputPeriod::Day, date, &TimeZone::UTC).unwrap();
        let monday = day("2025-12-29");
        for date in ["2025-12-29", "2025-12-31", "2026-01-01", "2026-01-04"] {
            assert_eq!(week(date), (monday.0, monday.0 + 7 * 24 * HOUR), "{date}");
        }
        assert_ne!(week("2026-01-05"), week("2026-01-04"));
        let month = bounds(ThroughputPeriod::Month, "2024-02", &TimeZone::UTC).unwrap();
        assert_eq!(month, (day("2024-02-01").0, day("2024-03-01").0));
        let december = bounds(ThroughputPeriod::Month, "2025-12", &TimeZone::UTC).unwrap();
        assert_eq!(december.1, day("2026-01-01").0);
    }

    #[test]
    fn what_is_no_date_has_no_bounds() {
        use ThroughputPeriod::{Day, Month, Week};
        for (period, date) in [
            (Day, ""),
            (Day, "2026-06"),
            (Day, "2026-02-30"),
            (Day, "2026-6-22"),
            (Day, "2026-06-22T00:00"),
            (Day, "+2026-06-22"),
            (Day, "2026-06-22-01"),
            (Day, "1969-12-30"),
            (Week, "2026-W26"),
            (Week, "1970-01-01"),
            (Month, "2026-06-22"),
            (Month, "2026-13"),
            (Month, "2026-00"),
            (Month, "9999-12"),
        ] {
            assert_eq!(bounds(period, date, &TimeZone::UTC), None, "{date}");
        }
    }
}
