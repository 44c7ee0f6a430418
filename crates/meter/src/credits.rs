//! Amounts of credits.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many micro-credits are one credit.
const MICROS: i64 = 1_000_000;

/// The most digits after the point.
const DECIMALS: usize = 6;

/// An amount of credits, exact to a millionth. May be negative. Nothing wraps and nothing is rounded.
///
/// As text and on the wire it is a decimal, `12.5`, of at most six digits after the point; in JSON a string, since a
/// reader may take numbers for floating point. Configuration may have a number.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credits(i64);

impl Credits {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// That many millionths of a credit.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// In millionths of a credit.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The sum, if there is such an amount.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, if there is such an amount.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// So many times the amount, if there is such an amount.
    pub fn checked_mul(self, times: u64) -> Option<Self> {
        i64::try_from(times).ok().and_then(|times| self.0.checked_mul(times)).map(Self)
    }

    /// The amount with the other sign, if there is such an amount.
    pub fn checked_neg(self) -> Option<Self> {
        self.0.checked_neg().map(Self)
    }

    /// The sum of all of them, if it and each sum on the way is an amount.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }
}

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredits {
    /// It is not a decimal number.
    #[error("an amount of credits is a decimal number such as 12.5")]
    NotDecimal,
    /// It is more exact than a millionth.
    #[error("an amount of credits has at most six digits after the point")]
    TooExact,
    /// It is beyond what can be counted.
    #[error("an amount of credits is at most 9223372036854.775807")]
    TooLarge,
}

impl FromStr for Credits {
    type Err = InvalidCredits;

    fn from_str(text: &str) -> Result<Self, InvalidCredits> {
        let (is_negative, number) = match text.strip_prefix('-') {
            Some(number) => (true, number),
            None => (false, text),
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(InvalidCredits::NotDecimal),
            None => (number, ""),
        };
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidCredits::NotDecimal);
        }
        if fraction.len() > DECIMALS {
            return Err(InvalidCredits::TooExact);
        }
        let padding = std::iter::repeat_n(b'0', DECIMALS - fraction.len());
        let digits = whole.bytes().chain(fraction.bytes()).chain(padding);
        let sign = if is_negative { -1 } else { 1 };
        digits
            .map(|byte| i64::from(byte - b'0') * sign)
            // Towards the sign, since the least amount has no counterpart.
            .try_fold(0i64, |sum, digit| sum.checked_mul(10)?.checked_add(digit))
            .map(Self)
            .ok_or(InvalidCredits::TooLarge)
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.unsigned_abs();
        let (whole, fraction) = (micros / MICROS.unsigned_abs(), micros % MICROS.unsigned_abs());
        let mut text = whole.to_string();
        if fraction > 0 {
            text.push_str(format!(".{fraction:0DECIMALS$}").trim_end_matches('0'));
        }
        f.pad_integral(self.0 >= 0, "", &text)
    }
}

impl fmt::Debug for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credits({self})")
    }
}

impl Serialize for Credits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Credits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Decimal;

        impl Visitor<'_> for Decimal {
            type Value = Credits;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount of credits, such as 12.5, of at most six digits after the point")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Credits, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, whole: i64) -> Result<Credits, E> {
                whole.checked_mul(MICROS).map(Credits).ok_or_else(|| E::custom(InvalidCredits::TooLarge))
            }

            fn visit_u64<E: serde::de::Error>(self, whole: u64) -> Result<Credits, E> {
                match i64::try_from(whole) {
                    Ok(whole) => self.visit_i64(whole),
                    Err(_) => Err(E::custom(InvalidCredits::TooLarge)),
                }
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Credits, E> {
                // Written as the shortest decimal that is this number: that is what the configuration says.
                match number.is_finite() {
                    true => self.visit_str(&number.to_string()),
                    false => Err(E::invalid_value(Unexpected::Float(number), &self)),
                }
            }
        }

        deserializer.deserialize_any(Decimal).map_err(D::Error::custom)
    }
}
