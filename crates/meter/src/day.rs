//! Days, as usage is added up by them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MS_PER_DAY: u64 = 24 * 60 * 60 * 1000;

/// Days of 400 years of the Gregorian calendar, after which it repeats itself.
const DAYS_PER_ERA: i64 = 146_097;

/// From the first of March of the year 0 to the Unix epoch.
const EPOCH: i64 = 719_468;

/// A day, in UTC. As text it is `2026-01-31`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(u32);

impl Day {
    /// The last one there is: 9999-12-31.
    pub const LAST: Self = Self(2_932_896);

    /// The day of a time in milliseconds since the Unix epoch; of one after the last day, the last day.
    pub fn of(ms: u64) -> Self {
        u32::try_from(ms / MS_PER_DAY).map_or(Self::LAST, |days| Self(days).min(Self::LAST))
    }

    /// The day that many days after 1970-01-01, or the last one.
    pub fn from_number(days: u32) -> Self {
        Self(days).min(Self::LAST)
    }

    /// How many days after 1970-01-01 it is.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// A text that is not a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a day is written as 2026-01-31, and is not before 1970-01-01")]
pub struct InvalidDay;

// Years begin in March here, so that leap days are at their ends.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = i64::from(self.0) + EPOCH;
        let (era, day_of_era) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = (month_from_march + 2) % 12 + 1;
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Day {
    type Err = InvalidDay;

    fn from_str(text: &str) -> Result<Self, InvalidDay> {
        let mut parts = text.splitn(3, '-').map(|part| part.parse::<u16>().map(i64::from));
        let (Some(Ok(year)), Some(Ok(month)), Some(Ok(day))) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidDay);
        };
        let (march_year, month_from_march) =
            if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
        let year_of_era = march_year.rem_euclid(400);
        let days = march_year.div_euclid(400) * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4
            - year_of_era / 100
            + day_of_year
            - EPOCH;
        let found = u32::try_from(days).map(Self).map_err(|_| InvalidDay)?;
        // A month or a day that does not exist gives another one; and there is one way to write each.
        if found <= Self::LAST && found.to_string() == text { Ok(found) } else { Err(InvalidDay) }
    }
}

impl TryFrom<String> for Day {
    type Error = InvalidDay;

    fn try_from(text: String) -> Result<Self, InvalidDay> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}
