//! A door for the fuzz targets: the input of `run_shell`, without a command being run.

use std::time::Duration;

use serde_json::Value;

use super::Order;

/// The command and the time that an input asks for, or why it is refused.
pub fn order(input: &Value) -> Result<(String, Duration), String> {
    match Order::of(input) {
        Ok(order) => Ok((order.command.to_owned(), order.timeout)),
        Err(refusal) => Err(refusal.to_string()),
    }
}
