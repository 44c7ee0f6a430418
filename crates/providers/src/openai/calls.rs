//! Tool calls that come in pieces.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use kernel::{Message, ProviderEvent};
use serde_json::Value;
use wire::Chunk;

use super::decode::CallDelta;
use crate::arguments;

/// The calls of one answer, in the order of their indices.
pub(super) struct Calls {
    calls: Vec<Call>,
    /// Whose ids are taken.
    history: Vec<Arc<Message>>,
    /// How many bytes of calls are still taken.
    room: usize,
    emitted: bool,
}

#[derive(Default)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl Calls {
    pub(super) fn new(history: Vec<Arc<Message>>, room: usize) -> Self {
        Self { calls: Vec::new(), history, room, emitted: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Whether there are calls, and each has a name and all of its arguments.
    pub(super) fn are_complete(&self) -> bool {
        !self.calls.is_empty() && self.calls.iter().all(Call::is_complete)
    }

    /// Adds a piece to the call that it belongs to, or begins a new one.
    ///
    /// The protocol says: `index` names the call, and the first piece brings id and name. Servers leave the index out,
    /// give all calls the index 0, repeat the name, or make up a new id for every piece.
    pub(super) fn add(&mut self, delta: CallDelta) -> Result<(), String> {
        let id = delta.id.unwrap_or_default();
        let function = delta.function.unwrap_or_default();
        let name = function.name.unwrap_or_default();
        let arguments = match function.arguments {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(piece)) => piece,
            Some(whole) => whole.to_string(),
        };
        self.charge(id.len() + name.len() + arguments.len())?;
        let open = match delta.index {
            Some(index) => self.calls.iter_mut().rfind(|call| call.index == Some(index)),
            None if !id.is_empty() => self.calls.iter_mut().rfind(|call| call.id == id),
            None => self.calls.last_mut(),
        };
        match open.filter(|call| !call.is_followed_by(&id, &name)) {
            Some(call) => {
                if call.id.is_empty() {
                    call.id = id;
                }
                call.add_name(&name);
                call.arguments.push_str(&arguments);
            }
            None => {
                self.charge(size_of::<Call>())?;
                self.calls.push(Call { index: delta.index, id, name, arguments });
            }
        }
        Ok(())
    }

    fn charge(&mut self, bytes: usize) -> Result<(), String> {
        self.room = self
            .room
            .checked_sub(bytes)
            .ok_or("the provider sent more tool calls than fit into the memory allowed for them")?;
        Ok(())
    }

    /// Hands over all calls, once. Says whether there were any.
    pub(super) fn emit(&mut self, cut_off: bool, out: &mut VecDeque<ProviderEvent>) -> bool {
        if std::mem::replace(&mut self.emitted, true) {
            return !self.calls.is_empty();
        }
        // Calls without an index keep their place behind the others; the sort is stable.
        self.calls.sort_by_key(|call| call.index.unwrap_or(u64::MAX));
        let mut taken = ids(&self.history);
        let last = self.calls.len().saturating_sub(1);
        for (place, call) in self.calls.iter().enumerate() {
            let id = unique(&call.id, &taken);
            taken.insert(id.clone());
            out.push_back(ProviderEvent::ToolCall {
                id,
                name: call.name.clone(),
                // Only the last can have been cut off.
                input: arguments::parse(&call.arguments, cut_off && place == last),
            });
        }
        !self.calls.is_empty()
    }
}

impl Call {
    fn is_complete(&self) -> bool {
        !self.name.is_empty() && (self.arguments.is_empty() || arguments::complete(&self.arguments))
    }

    /// Whether a piece with this id and name begins another call, although it names this one.
    fn is_followed_by(&self, id: &str, name: &str) -> bool {
        let other_id = !id.is_empty() && !self.id.is_empty() && id != self.id;
        let no_id = id.is_empty() && self.index.is_none();
        let ended = arguments::complete(&self.arguments);
        match (name.is_empty(), other_id) {
            (true, _) => false,
            (false, true) => ended || (self.arguments.is_empty() && name != self.name),
            (false, false) => no_id && ended,
        }
    }

    fn add_name(&mut self, name: &str) {
        if name.starts_with(&self.name) {
            name.clone_into(&mut self.name);
        } else if self.arguments.is_empty() {
            self.name.push_str(name);
        }
    }
}

fn ids(history: &[Arc<Message>]) -> HashSet<String> {
    let parts = history.iter().flat_map(|message| &message.parts);
    parts
        .filter_map(|part| match &part.chunk {
            Chunk::ToolCall { tool_call_id, .. } => Some(tool_call_id.clone()),
            _ => None,
        })
        .collect()
}

/// The id if it is new to the conversation, else one like it that is.
fn unique(id: &str, taken: &HashSet<String>) -> String {
    if !id.is_empty() && !taken.contains(id) {
        return id.to_owned();
    }
    let base = if id.is_empty() { "call" } else { id };
    loop {
        let made = format!("{base}_{:08x}", fastrand::u32(..));
        if !taken.contains(&made) {
            return made;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The calls that these pieces make, as (id, name, input); ids that were made up as "?".
    fn calls(pieces: &[Value]) -> Vec<(String, String, Value)> {
        let mut calls = Calls::new(Vec::new(), 1 << 20);
        for piece in pieces {
            calls.add(serde_json::from_value(piece.clone()).unwrap()).unwrap();
        }
        let mut out = VecDeque::new();
        calls.emit(false, &mut out);
        out.into_iter()
            .map(|event| match event {
                ProviderEvent::ToolCall { id, name, input } => (id, name, input),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn call(id: &str, name: &str, input: Value) -> (String, String, Value) {
        (id.to_owned(), name.to_owned(), input)
    }

    #[test]
    fn pieces_are_put_together_by_index() {
        assert_eq!(
            calls(&[
                json!({"index": 1, "id": "b", "function": {"name": "run", "arguments": ""}}),
                json!({"index": 0, "id": "a", "function": {"name": "read", "arguments": "{\"pa"}}),
                json!({"index": 1, "function": {"arguments": "{\"command\":\"ls\"}"}}),
                json!({"index": 0, "function": {"arguments": "th\":\"x\"}"}}),
            ]),
            [call("a", "read", json!({"path": "x"})), call("b", "run", json!({"command": "ls"}))]
        );
    }

    #[test]
    fn a_server_may_leave_out_the_index() {
        assert_eq!(
            calls(&[
                json!({"id": "a", "function": {"name": "read", "arguments": "{\"pa"}}),
                json!({"function": {"arguments": "th\":\"x\"}"}}),
                json!({"id": "b", "function": {"name": "run", "arguments": "{}"}}),
            ]),
            [call("a", "read", json!({"path": "x"})), call("b", "run", json!({}))]
        );
    }

    #[test]
    fn a_server_may_give_all_calls_the_same_index() {
        assert_eq!(
            calls(&[
                json!({"index": 0, "id": "a", "function": {"name": "read", "arguments": "{\"path\":\"x\"}"}}),
                json!({"index": 0, "id": "b", "function": {"name": "read", "arguments": "{\"path\":\"y\"}"}}),
            ]),
            [call("a", "read", json!({"path": "x"})), call("b", "read", json!({"path": "y"}))]
        );
    }

    #[test]
    fn a_server_may_repeat_the_name_and_change_the_id() {
        assert_eq!(
            calls(&[
                json!({"index": 0, "id": "a", "function": {"name": "read", "arguments": "{\"pa"}}),
                json!({"index": 0, "id": "other", "function": {"name": "read", "arguments": "th\":"}}),
                json!({"index": 0, "id": "a", "function": {"name": "read", "arguments": "\"x\"}"}}),
            ]),
            [call("a", "read", json!({"path": "x"}))]
        );
    }

    #[test]
    fn a_server_may_send_the_arguments_as_an_object_and_no_ids() {
        let made = calls(&[
            json!({"function": {"name": "read", "arguments": {"path": "x"}}}),
            json!({"function": {"name": "read", "arguments": {"path": "y"}}}),
        ]);
        let inputs: Vec<&Value> = made.iter().map(|(_, _, input)| input).collect();
        assert_eq!(inputs, [&json!({"path": "x"}), &json!({"path": "y"})]);
        assert_ne!(made[0].0, made[1].0);
        assert!(made.iter().all(|(id, _, _)| id.starts_with("call_")));
    }

    #[test]
    fn an_id_is_never_used_twice_in_a_conversation() {
        let chunk = Chunk::ToolCall {
            tool_call_id: "call_0".to_owned(),
            tool_name: "read".to_owned(),
            input: json!({}),
            step_id: None,
        };
        let history = vec![Arc::new(Message { role: wire::Role::Assistant, parts: vec![chunk.into()] })];
        let taken = ids(&history);
        assert_eq!(unique("call_1", &taken), "call_1");
        let made = unique("call_0", &taken);
        assert!(made.starts_with("call_0_") && made.len() > 7, "{made}");
    }

    #[test]
    fn endless_calls_are_refused() {
        let mut calls = Calls::new(Vec::new(), 10_000);
        let piece = |index| CallDelta { index: Some(index), ..CallDelta::default() };
        let refused = (0..10_000).map(|index| calls.add(piece(index))).find_map(Result::err);
        assert!(refused.is_some_and(|words| words.contains("memory")));
    }
}
