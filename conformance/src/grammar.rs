//! The order in which the events of one turn come, section 4 of the contract.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

/// Why a turn may end.
const REASONS: [&str; 7] =
    ["stop", "length", "content_filter", "aborted", "error", "max-steps", "interrupted"];

/// Says which rule is broken, if one is.
pub(crate) fn verify(events: &[Value]) -> Result<(), String> {
    let first = events.first().ok_or("a turn has events")?;
    rule(first["type"] == "user-message", "a turn begins with user-message")?;
    let mut turn = Grammar { step_of: HashMap::new(), ..Grammar::default() };
    for (place, event) in events.iter().enumerate() {
        for field in ["conversationId", "turnId"] {
            rule(event[field] == first[field], &format!("every event of a turn has the same {field}"))?;
        }
        turn.event(place, event)?;
    }
    turn.end(events)
}

#[derive(Default)]
struct Grammar<'e> {
    started: bool,
    failed: bool,
    done: bool,
    sealed: bool,
    /// Calls in their order, and the step of each.
    calls: Vec<&'e str>,
    step_of: HashMap<&'e str, &'e Value>,
    results: Vec<&'e str>,
    /// Steps whose stream is over.
    complete: Vec<&'e Value>,
    usages: Vec<&'e Value>,
    /// The type of the last event.
    last: &'e str,
}

impl<'e> Grammar<'e> {
    fn event(&mut self, place: usize, event: &'e Value) -> Result<(), String> {
        let kind = event["type"].as_str().unwrap_or_default();
        rule(!self.sealed, "nothing follows turn-sealed")?;
        rule(!self.done || kind == "turn-sealed", "only turn-sealed follows done")?;
        let in_order =
            self.started || matches!(kind, "user-message" | "turn-start" | "error" | "done" | "turn-sealed");
        rule(in_order, "turn-start comes before what the turn does")?;
        match kind {
            "user-message" => rule(place == 0, "a turn has one user-message, its first event")?,
            "turn-start" => {
                rule(place == 1, "turn-start follows user-message, once")?;
                self.started = true;
            }
            "tool-call" => self.call(event)?,
            "tool-output" | "tool-start" => {
                let known = event["toolCallId"].as_str().is_some_and(|id| self.step_of.contains_key(id));
                rule(known, &format!("{kind} is of a call that was seen"))?;
                rule(event["stepId"].is_null(), &format!("{kind} has no stepId"))?;
            }
            "tool-result" => self.result(event)?,
            "usage" => {
                rule(event["stepId"].is_string(), "usage says which step it is of")?;
                self.usages.push(event);
            }
            "step-complete" => self.step_complete(event)?,
            "steering" => {
                rule(self.last == "tool-result", "steering follows the tool results of a step")?;
                rule(self.results.len() == self.calls.len(), "steering follows all results of its step")?;
            }
            "error" => self.failed = true,
            "done" => {
                rule(self.last != "steering", "another step follows steering")?;
                rule(
                    REASONS.iter().any(|known| event["reason"] == **known),
                    &format!("done.reason is one of {REASONS:?}"),
                )?;
                self.done = true;
            }
            "turn-sealed" => {
                rule(self.done, "done comes before turn-sealed")?;
                self.sealed = true;
            }
            _ => {}
        }
        self.last = kind;
        Ok(())
    }

    fn call(&mut self, event: &'e Value) -> Result<(), String> {
        let id = event["toolCallId"].as_str().unwrap_or_default();
        rule(!self.complete.contains(&&event["stepId"]), "no call comes after its step is complete")?;
        rule(self.step_of.insert(id, &event["stepId"]).is_none(), "a call's id is unique in its turn")?;
        self.calls.push(id);
        Ok(())
    }

    fn result(&mut self, event: &'e Value) -> Result<(), String> {
        let id = event["toolCallId"].as_str().unwrap_or_default();
        let step = self.step_of.get(id);
        rule(step == Some(&&event["stepId"]), "a result has the stepId of its call")?;
        rule(self.complete.contains(&&event["stepId"]), "tool-result never precedes step-complete")?;
        let next = self.calls.get(self.results.len());
        rule(next == Some(&id), "each call gets one result, in the order of the calls")?;
        self.results.push(id);
        Ok(())
    }

    fn step_complete(&mut self, event: &'e Value) -> Result<(), String> {
        let step = &event["stepId"];
        rule(!self.complete.contains(&step), "step-complete comes once for each step")?;
        rule(self.results.len() >= self.results_due(step), "a step ends before the next one")?;
        self.complete.push(step);
        let times = ["ttftMs", "decodeMs", "genTotalMs"].map(|name| event[name].as_u64());
        if let [Some(first), Some(decode), Some(total)] = times {
            rule(first + decode == total, "genTotalMs is ttftMs and decodeMs together")?;
        }
        rule(times[0].is_some() == times[1].is_some(), "ttftMs and decodeMs come together")
    }

    /// How many results there are before a step other than the one of the last calls may end.
    fn results_due(&self, step: &Value) -> usize {
        self.calls.iter().filter(|id| self.step_of.get(**id).is_some_and(|of| *of != step)).count()
    }

    fn end(&self, events: &[Value]) -> Result<(), String> {
        rule(self.done && self.sealed, "a turn ends with done and turn-sealed")?;
        rule(self.started || self.failed, "only a turn that could not be served has no turn-start")?;
        rule(self.results.len() == self.calls.len(), "each call has a result before done")?;
        let steps: HashSet<String> = self.calls.iter().map(|id| self.step_of[id].to_string()).collect();
        rule(steps.len() <= self.complete.len(), "every step is complete before done")?;
        let Some(done) = events.iter().find(|event| event["type"] == "done") else { return Ok(()) };
        let total = sum(self.usages.iter().map(|event| &event["usage"]));
        let whole = &done["usage"];
        if total.is_empty() {
            rule(whole.is_null(), "done has no usage when no step had any")?;
            return rule(done["contextSize"].is_null(), "contextSize comes only with usage");
        }
        rule(*whole == Value::Object(total), "done.usage is the sum of the steps' usage")?;
        let Some(context) = done["contextSize"].as_u64() else { return Ok(()) };
        let last = self.usages.last().map_or(&Value::Null, |event| &event["stepId"]);
        let of_last =
            sum(self.usages.iter().filter(|event| event["stepId"] == *last).map(|event| &event["usage"]));
        let tokens = |name: &str| of_last.get(name).and_then(Value::as_u64).unwrap_or_default();
        rule(
            context == tokens("inputTokens") + tokens("outputTokens"),
            "contextSize is the input and output of the last step",
        )
    }
}

/// Field by field; a field is there if any of them has it.
pub(crate) fn sum<'v>(usages: impl Iterator<Item = &'v Value>) -> Map<String, Value> {
    let mut total = Map::new();
    for (name, tokens) in usages.filter_map(Value::as_object).flatten() {
        let before = total.get(name).and_then(Value::as_u64).unwrap_or_default();
        total.insert(name.clone(), json!(before + tokens.as_u64().unwrap_or_default()));
    }
    total
}

fn rule(holds: bool, rule: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(kinds: &str) -> Vec<Value> {
        let event = |word: &str| {
            let (kind, of) = word.split_once('/').unwrap_or((word, ""));
            let mut event = json!({"type": kind, "conversationId": "c", "turnId": "t"});
            let mut set =
                |name: &str, value: Value| drop(event.as_object_mut().unwrap().insert(name.into(), value));
            match kind {
                "tool-call" | "tool-result" => {
                    set("toolCallId", of.into());
                    set("stepId", json!(format!("s{}", &of[..1])));
                }
                "step-complete" => set("stepId", json!(format!("s{of}"))),
                "usage" => {
                    set("stepId", json!(format!("s{of}")));
                    set("usage", json!({"inputTokens": 3, "outputTokens": 2}));
                }
                "done" => {
                    set("reason", "stop".into());
                    let count: u64 = of.parse().unwrap_or_default();
                    if count > 0 {
                        set("usage", json!({"inputTokens": 3 * count, "outputTokens": 2 * count}));
                        set("contextSize", json!(5));
                    }
                }
                _ => {}
            }
            event
        };
        kinds.split_whitespace().map(event).collect()
    }

    #[test]
    fn turns_as_they_should_be() {
        for kinds in [
            "user-message turn-start text-delta usage/0 step-complete/0 done/1 turn-sealed",
            "user-message turn-start tool-call/0a tool-call/0b step-complete/0 tool-result/0a tool-result/0b \
             steering text-delta usage/1 step-complete/1 done/1 turn-sealed",
            "user-message turn-start usage/0 step-complete/0 usage/1 step-complete/1 done/2 turn-sealed",
            "user-message error done turn-sealed",
        ] {
            assert_eq!(verify(&turn(kinds)), Ok(()), "{kinds}");
        }
    }

    #[test]
    fn turns_as_they_must_not_be() {
        for (kinds, broken) in [
            ("turn-start done turn-sealed", "a turn begins with user-message"),
            ("user-message done turn-sealed", "only a turn that could not be served has no turn-start"),
            ("user-message turn-start done", "a turn ends with done and turn-sealed"),
            ("user-message turn-start turn-sealed", "done comes before turn-sealed"),
            ("user-message text-delta", "turn-start comes before what the turn does"),
            ("user-message turn-start user-message", "a turn has one user-message, its first event"),
            ("user-message turn-start done text-delta", "only turn-sealed follows done"),
            (
                "user-message turn-start tool-call/0a step-complete/0 done turn-sealed",
                "each call has a result before done",
            ),
            (
                "user-message turn-start tool-call/0a tool-result/0a",
                "tool-result never precedes step-complete",
            ),
            (
                "user-message turn-start tool-call/0a tool-call/0b step-complete/0 tool-result/0b",
                "each call gets one result, in the order of the calls",
            ),
            ("user-message turn-start tool-call/0a tool-call/0a", "a call's id is unique in its turn"),
            ("user-message turn-start steering", "steering follows the tool results of a step"),
            (
                "user-message turn-start tool-call/0a step-complete/0 tool-result/0a steering done",
                "another step follows steering",
            ),
            ("user-message turn-start usage/0 done turn-sealed", "done.usage is the sum of the steps' usage"),
            ("user-message turn-start done/1 turn-sealed", "done has no usage when no step had any"),
            (
                "user-message turn-start step-complete/0 step-complete/0",
                "step-complete comes once for each step",
            ),
        ] {
            assert_eq!(verify(&turn(kinds)), Err(broken.to_owned()), "{kinds}");
        }
    }
}
