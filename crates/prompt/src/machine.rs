//! The machine that the server runs on, and what time it is there.

use jiff::Zoned;
use jiff::tz::TimeZone;
use rustix::system::uname;

/// Local time. It is UTC where the zone is not known.
pub(crate) async fn now() -> Zoned {
    // The rules of the zone are in files.
    let zone = tokio::task::spawn_blocking(TimeZone::system).await;
    jiff::Timestamp::now().to_zoned(zone.unwrap_or(TimeZone::UTC))
}

pub(crate) fn time(now: &Zoned) -> String {
    now.strftime("%H:%M %:z").to_string()
}

pub(crate) fn date(now: &Zoned) -> String {
    now.strftime("%Y-%m-%d").to_string()
}

pub(crate) fn os() -> String {
    let uname = uname();
    format!("{} {}", uname.sysname().to_string_lossy(), uname.machine().to_string_lossy())
}

pub(crate) fn hostname() -> String {
    uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::Offset;

    use super::*;

    #[test]
    fn time_and_date_are_local() {
        let moment = Timestamp::from_second(1_782_165_787).unwrap();
        assert_eq!(moment.to_string(), "2026-06-22T22:03:07Z");
        let of = |seconds| {
            let local = moment.to_zoned(TimeZone::fixed(Offset::from_seconds(seconds).unwrap()));
            (date(&local), time(&local))
        };
        let expected = |date: &str, time: &str| (date.to_owned(), time.to_owned());
        assert_eq!(of(0), expected("2026-06-22", "22:03 +00:00"));
        assert_eq!(of(2 * 3600), expected("2026-06-23", "00:03 +02:00"));
        assert_eq!(of(-(9 * 3600 + 1800)), expected("2026-06-22", "12:33 -09:30"));
    }
}
