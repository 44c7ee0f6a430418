//! Realtime sessions: where their media arrives, how many there may be, and which models can be asked for.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use meter::{Credits, Rate};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::value::{self, Address, Listed};

/// The UDP port of media when nothing else is said.
const PORT: u16 = 24204;

/// Realtime sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Realtime {
    /// Whether there are any.
    #[serde(deserialize_with = "value::from_text")]
    pub(crate) enabled: bool,
    /// Where media arrives, at most one address per family; absent: see [`Realtime::listen`].
    #[serde(deserialize_with = "value::some_list", skip_serializing_if = "Option::is_none")]
    pub(crate) udp: Option<Vec<Address>>,
    /// Where clients are told to send media; empty: to the machine's own addresses.
    #[serde(deserialize_with = "value::list")]
    pub(crate) public_addresses: Vec<Listed<IpAddr>>,
    /// The most sessions at a time.
    #[serde(deserialize_with = "value::count")]
    pub(crate) max_sessions: usize,
    /// The most sessions of one key at a time.
    #[serde(deserialize_with = "value::count")]
    pub(crate) max_sessions_per_key: usize,
    /// The most viewers of one session at a time; there may be none.
    #[serde(deserialize_with = "value::count")]
    pub(crate) max_viewers_per_session: usize,
    /// Besides the [known] ones, or instead of those of the same names.
    #[serde(deserialize_with = "value::list")]
    pub(crate) models: Vec<Model>,
}

impl Default for Realtime {
    fn default() -> Self {
        Self {
            enabled: true,
            udp: None,
            public_addresses: Vec::new(),
            max_sessions: 16,
            max_sessions_per_key: 4,
            max_viewers_per_session: 50,
            models: Vec::new(),
        }
    }
}

impl Realtime {
    /// Where media arrives, for a server that listens for HTTP there: on the same address, so that what is on loopback
    /// stays there, and on both families where that is all of IPv6. A server on any free port takes any here, too.
    pub(crate) fn listen(&self, http: SocketAddr) -> Vec<SocketAddr> {
        if let Some(udp) = &self.udp {
            return udp.iter().map(|address| address.0).collect();
        }
        let port = if http.port() == 0 { 0 } else { PORT };
        let also = match http.ip() {
            IpAddr::V6(ip) if ip.is_unspecified() => Some(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        };
        std::iter::once(http.ip()).chain(also).map(|ip| SocketAddr::new(ip, port)).collect()
    }

    /// All models that can be asked for: those that are known, and those that are configured, which win.
    pub(crate) fn served(&self) -> Vec<Model> {
        let mut served: Vec<Model> = known().collect();
        for model in &self.models {
            match served.iter_mut().find(|known| known.name == model.name) {
                Some(known) => known.clone_from(model),
                None => served.push(model.clone()),
            }
        }
        served
    }

    /// Says which key is wrong, and what about it.
    pub(super) fn check(&self, http: SocketAddr) -> Result<(), (&'static str, String)> {
        let listen = self.listen(http);
        let of_family = |ipv4: bool| listen.iter().filter(|address| address.is_ipv4() == ipv4).count();
        if listen.is_empty() {
            let message = "media has to arrive somewhere; write `enabled = false` for no realtime sessions";
            return Err(("udp", message.to_owned()));
        }
        if of_family(true) > 1 || of_family(false) > 1 {
            return Err(("udp", "more than one address of IPv4, or of IPv6".to_owned()));
        }
        for (key, count) in
            [("max_sessions", self.max_sessions), ("max_sessions_per_key", self.max_sessions_per_key)]
        {
            if count == 0 {
                let message = "0 would let nobody in; write `enabled = false` for no realtime sessions";
                return Err((key, message.to_owned()));
            }
        }
        let mut names: Vec<&str> = Vec::new();
        for model in &self.models {
            if names.contains(&model.name.as_str()) {
                return Err(("models", format!("`{}` occurs twice", model.name)));
            }
            names.push(&model.name);
        }
        for model in self.served() {
            model.check().map_err(|message| ("models", format!("`{}`: {message}", model.name)))?;
        }
        Ok(())
    }
}

/// A model that sessions can ask for.
///
/// As a text, for variables, it is `NAME=GENERATOR WIDTHxHEIGHT@FPS CREDITS`; all but the name may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) generator: Generator,
    /// Of its pictures, in pixels.
    pub(crate) width: u32,
    /// Of its pictures, in pixels.
    pub(crate) height: u32,
    /// The most pictures a second.
    pub(crate) fps: u32,
    /// The price of a second of generation.
    pub(crate) credits_per_second: Rate,
}

impl Model {
    /// What a model of that name is as long as nothing else is said of it.
    fn new(name: &str) -> Self {
        known().find(|known| known.name == name).unwrap_or_else(|| Self::of(name, (1280, 720), 25))
    }

    fn of(name: &str, (width, height): (u32, u32), fps: u32) -> Self {
        let name = name.to_owned();
        Self { name, generator: Generator::Restyle, width, height, fps, credits_per_second: Rate::FREE }
    }

    fn check(&self) -> Result<(), String> {
        if self.name.is_empty() || self.name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("cannot name a model: no white space, not empty".to_owned());
        }
        for (key, pixels) in [("width", self.width), ("height", self.height)] {
            if !(16..=4096).contains(&pixels) || pixels % 2 != 0 {
                return Err(format!("`{key}` is an even number from 16 to 4096, not {pixels}"));
            }
        }
        if !(1..=120).contains(&self.fps) {
            return Err(format!("`fps` is from 1 to 120, not {}", self.fps));
        }
        Ok(())
    }
}

/// What computes a model's pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Generator {
    /// Nothing is changed.
    Passthrough,
    /// By a recipe that the prompt and the image choose.
    Restyle,
}

impl fmt::Display for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passthrough => "passthrough",
            Self::Restyle => "restyle",
        })
    }
}

/// The names that the public SDKs ask for, with the sizes and rates that they have clients send.
fn known() -> impl Iterator<Item = Model> {
    const WIDE: (u32, u32) = (1280, 704);
    const HD: (u32, u32) = (1280, 720);
    const SMALL: (u32, u32) = (1088, 624);
    [
        ("mirage", WIDE, 25),
        ("mirage_v2", WIDE, 22),
        ("lucy_v2v_720p_rt", WIDE, 25),
        ("lucy_2_rt", HD, 20),
        ("lucy-2.1", SMALL, 20),
        ("lucy-2.1-vton", SMALL, 20),
        ("lucy-2.1-vton-2", SMALL, 20),
        ("lucy-vton", SMALL, 20),
        ("lucy-vton-2", SMALL, 20),
        ("lucy-vton-3", SMALL, 30),
        ("lucy-restyle-2", WIDE, 22),
        ("lucy-latest", SMALL, 20),
        ("lucy-vton-latest", SMALL, 20),
        ("lucy-restyle-latest", WIDE, 22),
        ("live_avatar", HD, 25),
        ("avatar-live", HD, 25),
    ]
    .into_iter()
    .map(|(name, size, fps)| Model::of(name, size, fps))
}

/// A model as a table of the file. What is left out is as it is without the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: String,
    generator: Option<Generator>,
    #[serde(default, deserialize_with = "value::some_count")]
    width: Option<u32>,
    #[serde(default, deserialize_with = "value::some_count")]
    height: Option<u32>,
    #[serde(default, deserialize_with = "value::some_count")]
    fps: Option<u32>,
    credits_per_second: Option<Rate>,
}

impl From<Table> for Model {
    fn from(table: Table) -> Self {
        let Table { name, generator, width, height, fps, credits_per_second } = table;
        let model = Self::new(&name);
        Self {
            name,
            generator: generator.unwrap_or(model.generator),
            width: width.unwrap_or(model.width),
            height: height.unwrap_or(model.height),
            fps: fps.unwrap_or(model.fps),
            credits_per_second: credits_per_second.unwrap_or(model.credits_per_second),
        }
    }
}

impl FromStr for Model {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "not a model; write NAME=GENERATOR WIDTHxHEIGHT@FPS CREDITS, for example mirage=restyle 1280x704@25 0.02";
        let (name, rest) = text.split_once('=').unwrap_or((text, ""));
        let mut model = Self::new(name.trim());
        for word in rest.split_whitespace() {
            if let Some((width, (height, fps))) =
                word.split_once('x').and_then(|(width, rest)| Some((width, rest.split_once('@')?)))
            {
                let number = |text: &str| text.parse().map_err(|_| ALLOWED);
                (model.width, model.height, model.fps) = (number(width)?, number(height)?, number(fps)?);
            } else if let Ok(credits) = word.parse::<Credits>() {
                model.credits_per_second = Rate::try_from(credits).map_err(|_| ALLOWED)?;
            } else {
                model.generator = match word {
                    "passthrough" => Generator::Passthrough,
                    "restyle" => Generator::Restyle,
                    _ => return Err(ALLOWED),
                };
            }
        }
        Ok(model)
    }
}

impl<'de> Deserialize<'de> for Model {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;

        impl<'de> Visitor<'de> for Form {
            type Value = Model;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table with `name`, and with what is different")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Model, E> {
                text.parse().map_err(|error| E::custom(format!("`{text}`: {error}")))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Model, A::Error> {
                Table::deserialize(MapAccessDeserializer::new(table)).map(Model::from)
            }
        }

        deserializer.deserialize_any(Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_arrives_where_http_does() {
        let realtime = Realtime::default();
        for (http, udp) in [
            ("127.0.0.1:24203", &["127.0.0.1:24204"][..]),
            ("127.0.0.1:0", &["127.0.0.1:0"]),
            ("[::1]:80", &["[::1]:24204"]),
            ("0.0.0.0:80", &["0.0.0.0:24204"]),
            ("192.0.2.7:80", &["192.0.2.7:24204"]),
            ("[::]:80", &["[::]:24204", "0.0.0.0:24204"]),
        ] {
            let shown: Vec<String> =
                realtime.listen(http.parse().unwrap()).iter().map(ToString::to_string).collect();
            assert_eq!(shown, udp, "{http}");
        }
        let chosen = Realtime { udp: Some(vec!["0.0.0.0:9".parse().unwrap()]), ..Realtime::default() };
        assert_eq!(chosen.listen("127.0.0.1:1".parse().unwrap()), ["0.0.0.0:9".parse().unwrap()]);
    }

    #[test]
    fn a_model_reads_from_text() {
        let price = |text: &str| Rate::try_from(text.parse::<Credits>().unwrap()).unwrap();
        let mirage = Model::of("mirage", (1280, 704), 25);
        for (text, model) in [
            ("mirage", mirage.clone()),
            ("mirage=0.02", Model { credits_per_second: price("0.02"), ..mirage.clone() }),
            (
                "mine = passthrough 640x360@30 1",
                Model {
                    generator: Generator::Passthrough,
                    credits_per_second: price("1"),
                    ..Model::of("mine", (640, 360), 30)
                },
            ),
            ("mine", Model::of("mine", (1280, 720), 25)),
        ] {
            assert_eq!(text.parse(), Ok(model), "{text}");
        }
        for text in ["mine=640x360", "mine=-1", "mine=dream", "mine=axb@c", "mine=640x360@30@2"] {
            assert!(text.parse::<Model>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_configured_model_replaces_a_known_one() {
        let before = Realtime::default().served();
        let models: Vec<Model> = ["lucy_2_rt=0.5", "mine"].map(|text| text.parse().unwrap()).to_vec();
        let after = Realtime { models: models.clone(), ..Realtime::default() }.served();
        let expected: Vec<Model> = before
            .into_iter()
            .map(|model| if model.name == "lucy_2_rt" { models[0].clone() } else { model })
            .chain([models[1].clone()])
            .collect();
        assert_eq!(after, expected);
        assert_eq!((after.len(), after[3].width), (17, 1280), "what is not said stays");
    }
}
