//! Amounts are exact: as text, in sums and as prices. Nothing wraps.

use meter::{Credits, InvalidCredits, NegativeRate, Price, Rate};
use proptest::prelude::*;
use serde::Deserialize;
use wire::Usage;

fn micros(micros: i64) -> Credits {
    Credits::from_micros(micros)
}

fn rate(micros: i64) -> Rate {
    Rate::try_from(Credits::from_micros(micros)).unwrap()
}

#[test]
fn an_amount_is_written_without_superfluous_digits() {
    let written =
        [0, 1, -1, 20_000, 1_000_000, -12_500_000, i64::MAX, i64::MIN].map(|n| micros(n).to_string());
    let expected =
        ["0", "0.000001", "-0.000001", "0.02", "1", "-12.5", "9223372036854.775807", "-9223372036854.775808"];
    assert_eq!(written, expected);
    assert_eq!(
        format!("{:>6}|{:<5}|{:?}", micros(20_000), micros(-500_000), micros(7)),
        "  0.02|-0.5 |Credits(0.000007)"
    );
}

#[test]
fn what_is_not_a_decimal_is_refused() {
    use InvalidCredits::{NotDecimal, TooExact, TooLarge};
    for (text, error) in [
        ("", NotDecimal),
        ("-", NotDecimal),
        ("+1", NotDecimal),
        ("--1", NotDecimal),
        (".5", NotDecimal),
        ("1.", NotDecimal),
        ("1e3", NotDecimal),
        ("1_000", NotDecimal),
        (" 1", NotDecimal),
        ("1.-5", NotDecimal),
        ("1.2.3", NotDecimal),
        ("\u{661}", NotDecimal),
        ("0.0000001", TooExact),
        ("9223372036854.775808", TooLarge),
        ("-9223372036854.775809", TooLarge),
        ("99999999999999999999999999", TooLarge),
    ] {
        assert_eq!(text.parse::<Credits>(), Err(error), "{text:?}");
    }
    assert_eq!("007.50".parse(), Ok(micros(7_500_000)));
    assert_eq!("-0".parse(), Ok(Credits::ZERO));
}

#[test]
fn sums_that_are_too_large_are_none() {
    let (most, least) = (micros(i64::MAX), micros(i64::MIN));
    assert_eq!(most.checked_add(micros(1)), None);
    assert_eq!(least.checked_sub(micros(1)), None);
    assert_eq!(least.checked_neg(), None);
    assert_eq!(micros(2).checked_mul(i64::MAX as u64), None);
    assert_eq!(micros(1).checked_mul(u64::MAX), None);
    assert_eq!(Credits::checked_sum([most, micros(1), least]), None);
    assert_eq!(Credits::checked_sum([most, least, micros(3)]), Some(micros(2)));
}

#[test]
fn a_configured_price_may_be_a_number_or_a_text() {
    let read = |text: &str| toml::from_str::<Price>(text).map_err(|error| error.message().to_owned());
    let price = Price {
        per_second: rate(20_000),
        per_million_input_tokens: rate(3_000_000),
        per_million_output_tokens: rate(15_000_000),
        per_million_cached_tokens: Some(rate(300_000)),
    };
    let text = "per_second = 0.02\nper_million_input_tokens = 3\nper_million_output_tokens = \"15\"\n\
                per_million_cached_tokens = 0.3";
    assert_eq!(read(text), Ok(price));
    assert_eq!(toml::from_str(&toml::to_string(&price).unwrap()), Ok(price));
    assert_eq!(read(""), Ok(Price::FREE));
    for wrong in [
        "per_second = -1",
        "per_second = 0.0000001",
        "per_second = nan",
        "per_secnd = 1",
        "per_second = true",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
    assert_eq!(Rate::try_from(micros(-1)), Err(NegativeRate(micros(-1))));
}

#[test]
fn what_is_read_from_a_cache_has_its_own_price() {
    let usage = |input, cached, output| Usage {
        input_tokens: input,
        output_tokens: output,
        cache_read_tokens: cached,
        cache_write_tokens: Some(99),
    };
    let price = Price {
        per_million_input_tokens: rate(3_000_000),
        per_million_output_tokens: rate(15_000_000),
        per_million_cached_tokens: Some(rate(300_000)),
        ..Price::FREE
    };
    assert_eq!(price.of_step(&usage(1000, Some(900), 10)), Some(micros(100 * 3 + 900 * 3 / 10 + 150)));
    assert_eq!(price.of_step(&usage(1000, None, 10)), Some(micros(3150)));
    // A provider that claims to have read more than it was sent.
    assert_eq!(price.of_step(&usage(1000, Some(u64::MAX), 0)), Some(micros(300)));
    let same = Price { per_million_cached_tokens: None, ..price };
    assert_eq!(same.of_step(&usage(1000, Some(900), 10)), Some(micros(3150)));
    assert_eq!(price.of_step(&usage(u64::MAX, None, u64::MAX)), None);
    let dearest = Price {
        per_million_output_tokens: rate(i64::MAX),
        per_million_input_tokens: rate(i64::MAX),
        ..price
    };
    assert_eq!(dearest.of_step(&usage(u64::MAX, None, u64::MAX)), None);
    assert_eq!(dearest.of_step(&usage(0, None, 1_000_000)), Some(micros(i64::MAX)));
    assert!(price.charges_tokens() && !Price { per_second: rate(1), ..Price::FREE }.charges_tokens());
}

#[derive(Debug, Deserialize)]
struct InJson {
    amount: Credits,
}

proptest! {
    #[test]
    fn an_amount_is_read_as_it_was_written(n in any::<i64>()) {
        prop_assert_eq!(micros(n).to_string().parse(), Ok(micros(n)));
        let json = serde_json::to_string(&micros(n)).unwrap();
        prop_assert_eq!(serde_json::from_str::<Credits>(&json).unwrap(), micros(n));
    }

    #[test]
    fn a_number_in_a_configuration_is_the_decimal_that_is_written_there(n in -1_000_000_000_000i64..1_000_000_000_000) {
        let json = format!(r#"{{ "amount": {} }}"#, micros(n));
        prop_assert_eq!(serde_json::from_str::<InJson>(&json).unwrap().amount, micros(n));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-+0-9.e_ ]{0,24}") {
        if let Ok(amount) = text.parse::<Credits>() {
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        }
    }

    #[test]
    fn sums_are_those_of_the_integers(a in any::<i64>(), b in any::<i64>(), times in any::<u64>()) {
        let amount = |n: i128| i64::try_from(n).ok().map(micros);
        let (x, y) = (i128::from(a), i128::from(b));
        prop_assert_eq!(micros(a).checked_add(micros(b)), amount(x + y));
        prop_assert_eq!(micros(a).checked_sub(micros(b)), amount(x - y));
        prop_assert_eq!(micros(a).checked_neg(), amount(-x));
        if times <= i64::MAX as u64 {
            prop_assert_eq!(micros(a).checked_mul(times), x.checked_mul(i128::from(times)).and_then(amount));
        }
    }

    #[test]
    fn a_step_is_rounded_once_and_by_at_most_half_a_millionth(
        input in 0..u64::MAX / 4, cached in 0..u64::MAX / 4, output in 0..u64::MAX / 4,
        rates in prop::array::uniform3(0..1_000_000i64),
    ) {
        let price = Price {
            per_second: Rate::FREE,
            per_million_input_tokens: rate(rates[0]),
            per_million_output_tokens: rate(rates[1]),
            per_million_cached_tokens: Some(rate(rates[2])),
        };
        let usage = Usage {
            input_tokens: input, output_tokens: output, cache_read_tokens: Some(cached), cache_write_tokens: None,
        };
        let cached = cached.min(input);
        let exact = i128::from(input - cached) * i128::from(rates[0])
            + i128::from(output) * i128::from(rates[1])
            + i128::from(cached) * i128::from(rates[2]);
        match price.of_step(&usage) {
            Some(cost) => {
                let off = i128::from(cost.micros()) * 1_000_000 - exact;
                prop_assert!((-499_999..=500_000).contains(&off), "{} is off by {}", cost, off);
            }
            None => prop_assert!(exact / 1_000_000 >= i128::from(i64::MAX)),
        }
    }
}
