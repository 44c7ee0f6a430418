//! 2.7: `GET /metrics/throughput`.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::check::{Check, Outcome, check, ensure, same};
use crate::contract;
use crate::world::World;

const DAY: u64 = 24 * 3600 * 1000;
/// A day can be an hour longer or shorter.
const HOUR: u64 = 3600 * 1000;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("2.7-period-must-be-known", "a missing or unknown period is refused", |w| async move {
            refuses(&w, &["date=2026-01-01", "period=year&date=2026-01-01", "period=&date=2026-01-01"]).await
        }),
        check("2.7-date-is-required", "a missing or empty date is refused", |w| async move {
            refuses(&w, &["period=day", "period=day&date=", "period=month"]).await
        }),
        check("2.7-date-must-be-well-formed", "a malformed date is refused", |w| async move {
            refuses(
                &w,
                &[
                    "period=day&date=today",
                    "period=day&date=2026-1-1",
                    "period=week&date=20260101",
                    "period=month&date=2026-13",
                    "period=day&date=2026-01-01T00:00",
                ],
            )
            .await
        }),
        check("2.7-date-must-exist", "a day that no calendar has is refused", |w| async move {
            refuses(
                &w,
                &["period=day&date=2026-02-30", "period=week&date=2025-02-29", "period=day&date=2026-00-10"],
            )
            .await
        }),
        check("2.7-date-fits-the-period", "days and weeks take YYYY-MM-DD, months YYYY-MM", |w| async move {
            refuses(
                &w,
                &["period=day&date=2026-01", "period=week&date=2026-01", "period=month&date=2026-01-01"],
            )
            .await
        }),
        check("2.7-day", "a day is 24 hours, give or take one", |w| async move {
            let report = report(&w, "day", "2026-01-15").await?;
            ensure(length(&report).abs_diff(DAY) <= HOUR, "about 24 hours", report)
        }),
        check("2.7-week", "a week has seven days, and every day of it gives the same", |w| async move {
            // A Monday and the Sunday after it.
            let (monday, sunday) =
                (report(&w, "week", "2026-01-12").await?, report(&w, "week", "2026-01-18").await?);
            ensure(length(&monday).abs_diff(7 * DAY) <= HOUR, "about seven days", &monday)?;
            for bound in ["start", "end"] {
                same(bound, sunday[bound].clone(), monday[bound].clone())?;
            }
            let day = report(&w, "day", "2026-01-12").await?;
            same("the week's start", monday["start"].clone(), day["start"].clone())
        }),
        check("2.7-month", "a month goes from its first midnight to the next month's", |w| async move {
            let (february, march) =
                (report(&w, "month", "2028-02").await?, report(&w, "month", "2028-03").await?);
            ensure(length(&february).abs_diff(29 * DAY) <= HOUR, "29 days in February 2028", &february)?;
            same("end of February", february["end"].clone(), march["start"].clone())
        }),
        check("2.7-empty", "a period without turns has no models", |w| async move {
            same("models", report(&w, "month", "1999-12").await?["models"].clone(), json!([]))
        }),
        check(
            "2.7-fastest-first",
            "models are sorted by tokensPerSecond, which is output tokens by seconds",
            |w| async move {
                w.talk(&w.id()).await?;
                let report = report(&w, "month", &month()).await?;
                let models = report["models"].as_array().cloned().unwrap_or_default();
                let mut last = f64::INFINITY;
                for model in models {
                    let number = |name: &str| model[name].as_f64().unwrap_or_default();
                    let speed = number("tokensPerSecond");
                    let exact = number("totalOutputTokens") / (number("totalGenMs") / 1000.0);
                    ensure(
                        (speed - exact).abs() <= exact * 0.01 + 0.01,
                        format!("tokensPerSecond {exact}"),
                        &model,
                    )?;
                    ensure(speed <= last, "descending speeds", &model)?;
                    last = speed;
                }
                Ok(())
            },
        ),
        check("2.7-http-turns-count", "a turn of POST /chat is one more turn of its model", |w| async move {
            let model = w.model()?.to_owned();
            let before = turns(&w, &model).await?;
            w.talk(&w.id()).await?;
            let what = format!("{} turns of {model}", before + 1);
            w.until(&what, || async { Ok((turns(&w, &model).await? == before + 1).then_some(())) }).await
        })
        .alone(),
        check(
            "2.7-socket-turns-count",
            "a turn of chat.send is one more turn of its model",
            |w| async move {
                let (model, id) = (w.model()?.to_owned(), w.id());
                let before = turns(&w, &model).await?;
                let mut socket = w.socket().await?;
                socket.talk(&id).await?;
                socket.turn(&id).await?;
                let what = format!("{} turns of {model}", before + 1);
                w.until(&what, || async { Ok((turns(&w, &model).await? == before + 1).then_some(())) }).await
            },
        )
        .alone()
        .quirk("only turns of POST /chat were counted", "every turn is"),
    ]
}

async fn report(w: &World, period: &str, date: &str) -> Outcome<Value> {
    let body = w.get(format!("/metrics/throughput?period={period}&date={date}")).await?.ok()?;
    contract::THROUGHPUT.verify(&body)?;
    same("period", body["period"].clone(), period)?;
    same("date", body["date"].clone(), date)?;
    Ok(body)
}

fn length(report: &Value) -> u64 {
    let at = |name: &str| report[name].as_u64().unwrap_or_default();
    at("end").saturating_sub(at("start"))
}

/// The turns of a model in this month, which both of the two months around a midnight may have.
async fn turns(w: &World, model: &str) -> Outcome<u64> {
    let report = report(w, "month", &month()).await?;
    let models = report["models"].as_array().into_iter().flatten();
    Ok(models.filter(|entry| entry["model"] == model).filter_map(|entry| entry["turns"].as_u64()).sum())
}

/// This month, in UTC.
fn month() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // Days since 1970 to a date, with March as the first month of the year.
    let days = since / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}")
}

async fn refuses(w: &World, queries: &[&str]) -> Outcome {
    for query in queries {
        w.get(format!("/metrics/throughput?{query}")).await?.invalid()?;
    }
    Ok(())
}
