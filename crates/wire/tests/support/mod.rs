//! Values of every type of the wire, each with the JSON that the contract has for it.
#![allow(dead_code, unreachable_pub)]

mod account;
mod conversations;
mod events;
mod extensions;
mod frames;
mod http;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wire::extension::MessageImage;
use wire::{ConversationId, StepId, TurnId};

pub use events::{extensions, full as events};
pub use frames::{client as client_frames, server as server_frames};

/// Whether the JSON is read as one certain value, or what else happened.
type Reads = Box<dyn Fn(&Value) -> Result<(), String>>;

/// A value and its JSON.
pub struct Sample {
    /// The type's name in the schemas.
    pub name: &'static str,
    /// What the contract says.
    pub expected: Value,
    /// What we write.
    pub written: String,
    reads: Reads,
}

impl Sample {
    pub fn new<T>(name: &'static str, value: T, expected: Value) -> Self
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
    {
        let written = serde_json::to_string(&value).unwrap();
        let reads = move |json: &Value| {
            // From text, as from a socket: reading a `Value` is another path through serde.
            let read: T = serde_json::from_str(&json.to_string()).map_err(|error| error.to_string())?;
            if read == value { Ok(()) } else { Err(format!("read {read:?} instead of {value:?}")) }
        };
        Self { name, expected, written, reads: Box::new(reads) }
    }

    /// What we write, parsed.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.written).unwrap()
    }

    /// Whether the JSON is read as the sample's value.
    pub fn assert_reads(&self, json: &Value) {
        if let Err(error) = (self.reads)(json) {
            panic!("{} from {json}: {error}", self.name);
        }
    }
}

/// At least one sample of every type, and one with and one without the optional fields of each.
pub fn all() -> Vec<Sample> {
    let mut samples = conversations::all();
    samples.extend(events());
    samples.extend(extensions());
    samples.extend(extensions::all());
    samples.extend(account::all());
    samples.extend(http::all());
    samples.extend(client_frames());
    samples.extend(server_frames());
    samples
}

/// The frames beyond the contract.
pub fn extension_frames() -> Vec<Sample> {
    extensions::frames()
}

pub fn conversation() -> ConversationId {
    ConversationId::new("c1")
}

pub fn turn() -> TurnId {
    TurnId::new("t1")
}

pub fn image() -> MessageImage {
    MessageImage { url: "/images/c1/i.png".into(), mime_type: Some("image/png".into()) }
}

pub fn step() -> StepId {
    StepId::new("t1#0")
}
