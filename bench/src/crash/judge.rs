//! Says what is wrong with a log, given what clients saw and what the log was before.

use std::collections::{HashMap, HashSet};

use wire::{AgentEvent, Chunk, Role, StepMetrics, StoredChunk, TurnId, TurnMetrics, Usage};

/// What one client heard of one conversation, in the order in which it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// Which client, for messages.
    pub(super) who: String,
    pub(super) events: Vec<AgentEvent>,
}

/// A message that was given to the server, recognised by its text, of which there is no other.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) text: String,
    pub(super) fate: Fate,
}

/// What the server said about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing: the connection broke. It may have arrived or not, but not twice.
    Unknown,
    /// It was taken: it is in the log, or waits in the queue.
    Accepted,
    /// It was not taken: it is nowhere.
    Refused,
}

/// All that was learnt about a conversation since it began.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    log: Vec<StoredChunk>,
    metrics: Vec<TurnMetrics>,
    given: Vec<Given>,
}

impl Known {
    /// Remembers what was given to the server.
    pub(super) fn give(&mut self, given: impl IntoIterator<Item = Given>) {
        self.given.extend(given);
    }

    /// How many chunks the log has.
    pub(super) fn chunks(&self) -> usize {
        self.log.len()
    }

    /// Compares the log and the metrics, as they are after a recovery, with what was known and what was heard since.
    /// Every string is something that must not be.
    pub(super) fn judge(
        &mut self,
        log: Vec<StoredChunk>,
        metrics: Vec<TurnMetrics>,
        heard: &[Heard],
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        numbered(&log, &mut wrong);
        answered(&log, &mut wrong);
        grown("the log", &self.log, &log, &mut wrong);
        grown("the list of metrics", &self.metrics, &metrics, &mut wrong);
        let mut ids = HashSet::new();
        for turn in metrics.iter().filter(|turn| !ids.insert(&turn.turn_id)) {
            wrong.push(format!("{} has metrics twice", turn.turn_id));
        }
        self.log = log;
        self.metrics = metrics;
        for heard in heard {
            self.survived(heard, &mut wrong);
        }
        for given in &self.given {
            match (self.times(&given.text), given.fate) {
                (0, _) | (1, Fate::Accepted | Fate::Unknown) => {}
                (1.., Fate::Refused) => wrong.push(format!("refused, and yet in the log: {:?}", given.text)),
                (times, _) => wrong.push(format!("{times} times in the log: {:?}", given.text)),
            }
        }
        wrong
    }

    /// Compares what waits in the queue, as it is after a recovery, with the log and with what was given.
    pub(super) fn judge_queue(&self, queue: &[String]) -> Vec<String> {
        let mut wrong = Vec::new();
        for Given { text, fate } in &self.given {
            let queued: usize = queue.iter().map(|waiting| waiting.matches(text).count()).sum();
            match (queued, self.times(text), fate) {
                (0, 0, Fate::Accepted) => wrong.push(format!("acknowledged and lost: {text:?}")),
                (0, ..) | (1, 0, Fate::Accepted | Fate::Unknown) => {}
                (1.., _, Fate::Refused) => wrong.push(format!("refused, and yet queued: {text:?}")),
                (_, 0, _) => wrong.push(format!("{queued} times in the queue: {text:?}")),
                (..) => wrong.push(format!("in the log and in the queue: {text:?}")),
            }
        }
        wrong
    }

    /// How often the log has a user's text, alone or joined with others.
    fn times(&self, text: &str) -> usize {
        let said = self.log.iter().filter(|stored| stored.role == Role::User);
        said.filter_map(|stored| if let Chunk::Text { text } = &stored.chunk { Some(text) } else { None })
            .map(|said| said.matches(text).count())
            .sum()
    }

    /// Whether everything that a client heard is in the log.
    fn survived(&self, heard: &Heard, wrong: &mut Vec<String>) {
        let mut say = |what: String| wrong.push(format!("{}: {what}", heard.who));
        let mut seen_turns = HashSet::new();
        let mut rest = heard.events.as_slice();
        while let Some(first) = rest.first() {
            let Some(turn) = first.turn_id().cloned() else {
                say(format!("heard an event that belongs to no turn: {first:?}"));
                return;
            };
            let end = rest.iter().position(|event| event.turn_id() != Some(&turn)).unwrap_or(rest.len());
            let (events, after) = rest.split_at(end);
            rest = after;
            if !seen_turns.insert(turn.clone()) {
                say(format!("heard {turn} in two parts"));
            }
            let seen = match Seen::of(events) {
                Ok(seen) => seen,
                Err(error) => {
                    say(format!("{turn}: {error}"));
                    continue;
                }
            };
            if !seen.sealed && !rest.is_empty() {
                say(format!("heard another turn before {turn} was sealed"));
            }
            if let Err(error) = self.has_pieces(&turn, &seen) {
                say(format!("{turn}: {error}"));
            }
            if let Err(error) = self.has_metrics(&turn, &seen) {
                say(format!("{turn}: {error}"));
            }
        }
    }

    fn has_pieces(&self, turn: &TurnId, seen: &Seen) -> Result<(), String> {
        let pieces = pieces(&self.log);
        let Some(prompt) = seen.pieces.first() else { return Ok(()) };
        let Some(start) = pieces.iter().position(|(_, piece)| piece == prompt) else {
            return Err(format!("its prompt was heard and is not in the log: {prompt:?}"));
        };
        let logged = &pieces[start..];
        let last = seen.pieces.len() - 1;
        for (at, piece) in seen.pieces.iter().enumerate() {
            let place = logged.get(at);
            let same = place.is_some_and(|(_, logged)| {
                piece == logged || (at == last && !seen.sealed && piece.begins(logged))
            });
            if !same {
                let found = place.map(|(seq, piece)| format!("seq {seq} is {}", short(piece)));
                return Err(format!(
                    "heard as piece {at} {}; in the log {}",
                    short(piece),
                    found.unwrap_or_else(|| "there is nothing more".to_owned())
                ));
            }
        }
        let after = &logged[seen.pieces.len()..];
        match after.first() {
            Some((seq, piece)) if seen.sealed && !matches!(piece, Piece::User(_)) => {
                return Err(format!("was sealed, and the log goes on with seq {seq}, {}", short(piece)));
            }
            Some(_) | None => {}
        }
        let own = format!("{turn}#");
        let elsewhere = if seen.sealed { after } else { &[] };
        if let Some((seq, _)) = pieces[..start].iter().chain(elsewhere).find(|(_, piece)| piece.is_of(&own)) {
            return Err(format!("seq {seq} belongs to it and lies outside of what was heard"));
        }
        Ok(())
    }

    fn has_metrics(&self, turn: &TurnId, seen: &Seen) -> Result<(), String> {
        // A prompt may reach clients while the turn still fails to begin; from the first step on there is a row.
        let Some(stored) = self.metrics.iter().find(|metrics| metrics.turn_id == *turn) else {
            return Err("it has no metrics".to_owned());
        };
        if stored.steps.get(..seen.steps.len()) != Some(&seen.steps[..]) {
            return Err(format!("its steps were {:?}; the metrics have {:?}", seen.steps, stored.steps));
        }
        let mut sum = Usage::default();
        stored.steps.iter().for_each(|step| sum.add(&step.usage));
        if stored.usage != sum {
            return Err(format!("its usage is {:?}, but its steps add up to {sum:?}", stored.usage));
        }
        let Some(AgentEvent::Done { duration_ms, usage, context_size, .. }) = &seen.done else {
            return Ok(());
        };
        if seen.sealed {
            let said = (*duration_ms, usage.unwrap_or_default(), *context_size, seen.steps.len());
            let kept = (stored.duration_ms, stored.usage, stored.context_size, stored.steps.len());
            if said != kept {
                return Err(format!("`done` said {said:?}; the metrics say {kept:?}"));
            }
        }
        Ok(())
    }
}

fn numbered(log: &[StoredChunk], wrong: &mut Vec<String>) {
    if let Some((seq, stored)) = (1..).zip(log).find(|(seq, stored)| *seq != stored.seq) {
        wrong.push(format!("seq {} where {seq} should be", stored.seq));
    }
}

fn answered(log: &[StoredChunk], wrong: &mut Vec<String>) {
    let mut results: HashMap<&str, usize> = HashMap::new();
    let mut order = Vec::new();
    for stored in log {
        match &stored.chunk {
            Chunk::ToolCall { tool_call_id, .. } => {
                if results.insert(tool_call_id, 0).is_some() {
                    wrong.push(format!("seq {}: a second call with the id {tool_call_id}", stored.seq));
                }
                order.push(tool_call_id);
            }
            Chunk::ToolResult { tool_call_id, .. } => match results.get_mut(tool_call_id.as_str()) {
                Some(count) => *count += 1,
                None => wrong.push(format!("seq {}: a result before its call {tool_call_id}", stored.seq)),
            },
            Chunk::Text { .. }
            | Chunk::Thinking { .. }
            | Chunk::Error { .. }
            | Chunk::System { .. }
            | Chunk::Image(_) => {}
        }
    }
    for call in order {
        match results.get(call.as_str()) {
            Some(1) | None => {}
            Some(count) => wrong.push(format!("the call {call} has {count} results")),
        }
    }
}

fn grown<T: PartialEq + std::fmt::Debug>(what: &str, before: &[T], now: &[T], wrong: &mut Vec<String>) {
    if let Some(at) = before.iter().enumerate().position(|(at, item)| now.get(at) != Some(item)) {
        wrong.push(format!("{what} has changed: entry {at} was {:?} and is {:?}", before[at], now.get(at)));
    }
}

/// What a client knows of a turn.
#[derive(Debug, Default)]
struct Seen {
    pieces: Vec<Piece>,
    steps: Vec<StepMetrics>,
    done: Option<AgentEvent>,
    sealed: bool,
}

impl Seen {
    /// Puts a turn's events together; an error if no turn can say them in this order.
    fn of(events: &[AgentEvent]) -> Result<Self, String> {
        let mut seen = Self::default();
        let mut usage = None;
        let mut calls: HashMap<&str, usize> = HashMap::new();
        for (at, event) in events.iter().enumerate() {
            if (at == 0) != matches!(event, AgentEvent::UserMessage { .. }) {
                return Err(format!("event {at} is `{}`", event.kind()));
            }
            if (at == 1) != matches!(event, AgentEvent::TurnStart { .. }) {
                return Err(format!("event {at} is `{}`", event.kind()));
            }
            if seen.sealed {
                return Err(format!("`{}` came after `turn-sealed`", event.kind()));
            }
            // A seal that fails is told by an error after `done`.
            let last = matches!(event, AgentEvent::TurnSealed { .. } | AgentEvent::Error { .. });
            if seen.done.is_some() && !last {
                return Err(format!("`{}` came after `done`", event.kind()));
            }
            match event {
                AgentEvent::UserMessage { text, .. } | AgentEvent::Steering { text, .. } => {
                    seen.pieces.push(Piece::User(text.clone()));
                }
                AgentEvent::TextDelta { delta, .. } => match seen.pieces.last_mut() {
                    Some(Piece::Text(text)) => text.push_str(delta),
                    _ => seen.pieces.push(Piece::Text(delta.clone())),
                },
                AgentEvent::ReasoningDelta { delta, .. } => match seen.pieces.last_mut() {
                    Some(Piece::Thinking(text)) => text.push_str(delta),
                    _ => seen.pieces.push(Piece::Thinking(delta.clone())),
                },
                AgentEvent::ToolCall { step_id, tool_call_id, tool_name, input, .. } => {
                    calls.insert(tool_call_id, 0);
                    seen.pieces.push(Piece::Other(Chunk::ToolCall {
                        tool_call_id: tool_call_id.clone(),
                        tool_name: tool_name.clone(),
                        input: input.clone(),
                        step_id: Some(step_id.clone()),
                    }));
                }
                AgentEvent::ToolResult { step_id, tool_call_id, tool_name, content, is_error, .. } => {
                    match calls.get_mut(tool_call_id.as_str()) {
                        Some(count) if *count == 0 => *count = 1,
                        Some(_) => return Err(format!("a second result for {tool_call_id}")),
                        None => return Err(format!("a result before its call {tool_call_id}")),
                    }
                    seen.pieces.push(Piece::Other(Chunk::ToolResult {
                        tool_call_id: tool_call_id.clone(),
                        tool_name: tool_name.clone(),
                        content: content.clone(),
                        is_error: *is_error,
                        step_id: Some(step_id.clone()),
                    }));
                }
                AgentEvent::Error { message, code, .. } => {
                    let chunk = Chunk::Error { message: message.clone(), code: code.clone() };
                    seen.pieces.push(Piece::Other(chunk));
                }
                AgentEvent::Usage { usage: step, .. } => usage = Some(*step),
                AgentEvent::StepComplete { step_id, ttft_ms, decode_ms, gen_total_ms, .. } => {
                    seen.steps.push(StepMetrics {
                        step_id: step_id.clone(),
                        usage: usage.take().unwrap_or_default(),
                        ttft_ms: *ttft_ms,
                        decode_ms: *decode_ms,
                        gen_total_ms: *gen_total_ms,
                    });
                }
                AgentEvent::Done { .. } => {
                    if let Some((call, _)) = calls.iter().find(|(_, results)| **results != 1) {
                        return Err(format!("`done` came and the call {call} has no result"));
                    }
                    seen.done = Some(event.clone());
                }
                AgentEvent::TurnSealed { .. } => {
                    if seen.done.is_none() {
                        return Err("`turn-sealed` came before `done`".to_owned());
                    }
                    seen.sealed = true;
                }
                AgentEvent::TurnStart { .. } | AgentEvent::ToolOutput { .. } | AgentEvent::Status { .. } => {}
            }
        }
        Ok(seen)
    }
}

/// What is comparable between a stream and a log: text is joined where it is adjacent.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    User(String),
    Text(String),
    Thinking(String),
    Other(Chunk),
}

impl Piece {
    /// Whether this is the beginning of the other.
    fn begins(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) | (Self::Thinking(a), Self::Thinking(b)) => b.starts_with(a),
            (a, b) => a == b,
        }
    }

    /// Whether it belongs to a step whose id begins like that.
    fn is_of(&self, steps: &str) -> bool {
        match self {
            Self::Other(Chunk::ToolCall { step_id, .. } | Chunk::ToolResult { step_id, .. }) => {
                step_id.as_ref().is_some_and(|id| id.as_str().starts_with(steps))
            }
            Self::User(_) | Self::Text(_) | Self::Thinking(_) | Self::Other(_) => false,
        }
    }
}

/// The pieces of a log, each with its first seq.
fn pieces(log: &[StoredChunk]) -> Vec<(u64, Piece)> {
    let mut pieces: Vec<(u64, Piece)> = Vec::new();
    for StoredChunk { seq, role, chunk } in log {
        let piece = match (role, chunk.clone()) {
            (Role::User, Chunk::Text { text }) => Piece::User(text),
            (_, Chunk::Text { text }) => Piece::Text(text),
            // Reasoning that the provider hides has no text, and no event.
            (_, Chunk::Thinking { text }) if text.is_empty() => continue,
            (_, Chunk::Thinking { text }) => Piece::Thinking(text),
            (_, chunk) => Piece::Other(chunk),
        };
        match (pieces.last_mut(), &piece) {
            (Some((_, Piece::Text(before))), Piece::Text(more))
            | (Some((_, Piece::Thinking(before))), Piece::Thinking(more)) => before.push_str(more),
            _ => pieces.push((*seq, piece)),
        }
    }
    pieces
}

/// The beginning and the end of a piece: what is lost is mostly at the end.
fn short(piece: &Piece) -> String {
    const MOST: usize = 120;
    let whole = format!("{piece:?}");
    let (head, tail) = (whole.floor_char_boundary(MOST), whole.len().saturating_sub(MOST));
    let tail = whole.floor_char_boundary(tail);
    match head < tail {
        true => format!("{} … {} ({} bytes)", &whole[..head], &whole[tail..], whole.len()),
        false => whole,
    }
}

#[cfg(test)]
mod tests;
