//! The machine as the cases in `clients/cases` drive it, for the runners of all languages: JSON in, JSON out.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::connection::{Connection, Input, Millis, State};

/// A connection, and where a case is in it.
#[derive(Debug)]
pub struct Machine {
    connection: Connection,
    now: Millis,
    /// The newest attempt.
    attempt: u64,
}

/// What a step gives; what it expects is for the runner.
#[derive(Deserialize)]
struct Step {
    at: Option<Millis>,
    #[serde(rename = "in")]
    input: Option<Map<String, Value>>,
    message: Option<Value>,
}

impl Machine {
    /// With the options of a case.
    ///
    /// # Errors
    /// When there are no such options.
    pub fn new(options: Value) -> Result<Self, String> {
        let options = serde_json::from_value(options).map_err(|error| error.to_string())?;
        Ok(Self { connection: Connection::new(options), now: 0, attempt: 0 })
    }

    /// Takes a step, and returns all outputs.
    ///
    /// # Errors
    /// When the case is wrong: it has no such input, or has forgotten a deadline.
    pub fn step(&mut self, step: &Value) -> Result<Vec<Value>, String> {
        let said = |error: serde_json::Error| error.to_string();
        let step = Step::deserialize(step).map_err(said)?;
        self.now = step.at.unwrap_or(self.now);
        let mut input = match (step.input, step.message) {
            (Some(input), None) => input,
            (None, Some(message)) => Map::from_iter([
                ("type".to_owned(), "message".into()),
                ("text".to_owned(), message.to_string().into()),
            ]),
            _ => return Err("a step has either an input or a message".to_owned()),
        };
        let kind = input.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(deadline) = self.connection.deadline().filter(|deadline| *deadline < self.now) {
            return Err(format!("the deadline at {deadline} is forgotten"));
        }
        if kind == "time" && self.connection.deadline() != Some(self.now) {
            return Err(format!("this is not the deadline, {:?} is", self.connection.deadline()));
        }
        if !matches!(kind.as_str(), "connect" | "update" | "disconnect" | "time") {
            input.entry("attempt").or_insert_with(|| self.attempt.into());
        }
        let input: Input = serde_json::from_value(input.into()).map_err(said)?;
        self.connection.handle(self.now, input);
        let mut outputs = Vec::new();
        while let Some(output) = self.connection.poll() {
            let output = serde_json::to_value(output).map_err(said)?;
            if output["type"] == "open" {
                self.attempt = output["attempt"].as_u64().unwrap_or_default();
            }
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// The public state.
    pub fn state(&self) -> State {
        self.connection.state()
    }

    /// When it wants to be told the time.
    pub fn deadline(&self) -> Option<Millis> {
        self.connection.deadline()
    }
}
