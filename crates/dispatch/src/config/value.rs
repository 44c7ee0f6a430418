//! The types of values in the configuration.
//!
//! All of them read from text, so that the same words work in the file, in an environment variable and on the command
//! line.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Reads a value from text, or from a number or a truth value as if it were text.
pub(super) fn from_text<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    struct Text<T>(std::marker::PhantomData<T>);

    impl<T> Visitor<'_> for Text<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text, a number or a truth value")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.trim().parse().map_err(|error| E::custom(format!("`{text}`: {error}")))
        }

        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_bool<E: serde::de::Error>(self, truth: bool) -> Result<T, E> {
            self.visit_str(if truth { "true" } else { "false" })
        }
    }

    deserializer.deserialize_any(Text(std::marker::PhantomData))
}

/// As [`from_text`], for a key that may be absent.
pub(super) fn some_from_text<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    from_text(deserializer).map(Some)
}

/// As [`from_text`], for a number without a sign.
pub(super) fn count<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<T, D::Error> {
    from_text(deserializer).map(|Count(count)| count)
}

/// As [`count`], for a key that may be absent.
pub(super) fn some_count<'de, D: Deserializer<'de>, T: FromStr>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    count(deserializer).map(Some)
}

struct Count<T>(T);

impl<T: FromStr> FromStr for Count<T> {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "not a whole number, or too large; write 0, 1, 2 or more")
    }
}

macro_rules! text {
    ($name:ty) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text(deserializer)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) SocketAddr);

impl Address {
    pub(super) const fn local(port: u16) -> Self {
        Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str =
            "not an address to listen on; write IP:PORT, localhost:PORT, or the port alone for 127.0.0.1";
        if let Ok(address) = text.parse() {
            return Ok(Self(address));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        if !matches!(host, "" | "localhost") || port.starts_with('+') {
            return Err(ALLOWED);
        }
        port.parse().map(Self::local).map_err(|_| ALLOWED)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text!(Address);

/// The separate WebSocket port: an address, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SecondPort(pub(crate) Option<Address>);

impl FromStr for SecondPort {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self(None));
        }
        text.parse().map(|address| Self(Some(address))).map_err(|_| {
            "not an address to listen on; write IP:PORT, localhost:PORT, the port alone for 127.0.0.1, or none"
        })
    }
}

impl fmt::Display for SecondPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("none"),
        }
    }
}

text!(SecondPort);

/// A length of time: `10m`, `1h 30m`, `500ms`. A bare number counts seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period(pub(crate) Duration);

impl FromStr for Period {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = text.parse().map(Duration::from_secs);
        seconds
            .or_else(|_| humantime::parse_duration(text))
            .map(Self)
            .map_err(|_| "not a length of time; write for example 10m, 90s or 500ms")
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

text!(Period);

/// A number of bytes: `16 MiB`, `512 KiB`. A bare number counts bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) usize);

impl Size {
    pub(super) const fn mib(count: usize) -> Self {
        Self(count << 20)
    }
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "not a number of bytes; write for example 16 MiB, 512 KiB or 100000";
        let size = text.parse::<bytesize::ByteSize>().map_err(|_| ALLOWED)?;
        usize::try_from(size.as_u64()).map(Self).map_err(|_| ALLOWED)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = [(30, "GiB"), (20, "MiB"), (10, "KiB")]
            .into_iter()
            .find(|(bits, _)| self.0 != 0 && self.0.is_multiple_of(1 << bits));
        match unit {
            Some((bits, unit)) => write!(f, "{} {unit}", self.0 >> bits),
            None => self.0.fmt(f),
        }
    }
}

text!(Size);

/// A key. Written out as `[key]`, and refused without being repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) providers::Secret);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What serde says of a value of the wrong type has the value in it.
        let text = toml::Value::deserialize(deserializer)?;
        let key = text.as_str().ok_or_else(|| D::Error::custom("a key must be a text in quotes"))?;
        Self::new(key).ok_or_else(|| D::Error::custom("the key is empty"))
    }
}

impl Key {
    /// None for a key without anything in it.
    pub(super) fn new(key: &str) -> Option<Self> {
        let secret = providers::Secret::new(key);
        (!secret.reveal().is_empty()).then_some(Self(secret))
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// An item of a list that reads from text in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed<T>(pub(crate) T);

impl<'de, T: FromStr> Deserialize<'de> for Listed<T>
where
    T::Err: fmt::Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer).map(Self)
    }
}

impl<T: fmt::Display> Serialize for Listed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A list, or a text with commas between the items.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        // The list may be one of keys, which must not be repeated.
        fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Vec<T>, E> {
            Err(E::custom("a list or a text in quotes is expected here"))
        }

        fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Vec<T>, E> {
            self.visit_i64(0)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            items.map(|item| T::deserialize(serde::de::value::StrDeserializer::new(item))).collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                list.push(item);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_any(List(std::marker::PhantomData))
}

/// As [`list`], for a key that may be absent.
pub(super) fn some_list<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    list(deserializer).map(Some)
}

/// A table, or a text of the form `a = x, b = y`.
pub(super) fn table<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Pairs<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
        type Value = BTreeMap<String, T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
            pairs
                .map(|pair| {
                    let (key, value) = pair
                        .split_once('=')
                        .ok_or_else(|| E::custom(format!("`{pair}` is not of the form NAME=VALUE")))?;
                    let value = T::deserialize(serde::de::value::StrDeserializer::new(value.trim()))?;
                    Ok((key.trim().to_owned(), value))
                })
                .collect()
        }

        fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Self::Value, A::Error> {
            let mut table = BTreeMap::new();
            while let Some((key, value)) = pairs.next_entry()? {
                table.insert(key, value);
            }
            Ok(table)
        }
    }

    deserializer.deserialize_any(Pairs(std::marker::PhantomData))
}

/// As [`table`], for a key that may be absent.
pub(super) fn some_table<'de, D, T>(deserializer: D) -> Result<Option<BTreeMap<String, T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    table(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_out_the_host() {
        for (text, address) in [
            ("127.0.0.1:24203", "127.0.0.1:24203"),
            (":24203", "127.0.0.1:24203"),
            ("24203", "127.0.0.1:24203"),
            ("localhost:24203", "127.0.0.1:24203"),
            ("0", "127.0.0.1:0"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(text.parse(), Ok(Address(address.parse().unwrap())), "{text}");
        }
        for text in ["", ":", "65536", "example.org:80", "127.0.0.1", "::1", "localhost", "+80", "-1", "*:80"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_second_port_can_be_none() {
        assert_eq!("none".parse(), Ok(SecondPort(None)));
        assert_eq!("24205".parse(), Ok(SecondPort(Some(Address::local(24205)))));
        assert!("off".parse::<SecondPort>().is_err());
    }

    #[test]
    fn periods_and_sizes_read_as_they_are_written() {
        for (text, period) in [("10m", 600_000), ("1h 30m", 5_400_000), ("500ms", 500), ("90", 90_000)] {
            assert_eq!(text.parse(), Ok(Period(Duration::from_millis(period))), "{text}");
        }
        for (text, size) in [("16 MiB", 16 << 20), ("512KiB", 512 << 10), ("1 MB", 1_000_000), ("77", 77)] {
            assert_eq!(text.parse(), Ok(Size(size)), "{text}");
        }
        for text in ["", "m", "10 parsecs", "-1s"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
        for text in ["", "MiB", "10 parsecs", "-1"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        assert_eq!(Size::mib(16).to_string(), "16 MiB");
        assert_eq!(Size(1500).to_string(), "1500");
        assert_eq!(Size(0).to_string(), "0");
        assert_eq!(Period(Duration::from_secs(600)).to_string(), "10m");
    }
}
