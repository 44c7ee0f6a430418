//! The rules of a turn in flight, apart from how it is stored: which write fits next, and what a seal must add.

use std::collections::HashSet;

use kernel::{Entry, Growth, INTERRUPTED, LogOp, TextKind};
use wire::extension::ImageChunk;
use wire::{Chunk, Role, StepId, StepMetrics, TurnId, Usage};

use crate::Error;

/// The chunks of a prompt, in order; at least one.
pub(crate) fn prompt(text: String, images: Vec<ImageChunk>) -> impl Iterator<Item = Chunk> {
    std::iter::once(Chunk::Text { text }).chain(images.into_iter().map(Chunk::Image))
}

/// A turn that is not sealed, as far as the fit of its next write depends on it.
#[derive(Clone, Debug)]
pub(crate) struct OpenTurn {
    id: TurnId,
    tail: Tail,
    /// In the order of the log.
    unanswered: Vec<Call>,
    /// Of all calls of the turn, answered or not.
    call_ids: HashSet<String>,
    steps: Vec<StepMetrics>,
    answer: Option<Answer>,
}

/// The last message of the assistant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    message: u64,
    /// The seq of its last text, if it has any.
    pub(crate) text: Option<u64>,
}

/// The last chunk of the log.
#[derive(Clone, Copy, Debug)]
struct Tail {
    seq: u64,
    message: u64,
    role: Role,
    /// Set while that chunk is still open: nothing else may be written until it is closed.
    growing: Option<TextKind>,
}

#[derive(Clone, Debug)]
struct Call {
    id: String,
    tool: String,
    step: Option<StepId>,
}

impl OpenTurn {
    /// A turn that consists of its prompt: the seq is that of its last chunk.
    pub(crate) fn new(id: TurnId, seq: u64, message: u64) -> Self {
        let tail = Tail { seq, message, role: Role::User, growing: None };
        Self { id, tail, unanswered: Vec::new(), call_ids: HashSet::new(), steps: Vec::new(), answer: None }
    }

    pub(crate) fn id(&self) -> &TurnId {
        &self.id
    }

    /// The seq of the last chunk, open or not.
    pub(crate) fn last_seq(&self) -> u64 {
        self.tail.seq
    }

    /// The number of the last message.
    pub(crate) fn last_message(&self) -> u64 {
        self.tail.message
    }

    /// What the last chunk will be, while it is still open.
    pub(crate) fn growing(&self) -> Option<TextKind> {
        self.tail.growing
    }

    /// The steps so far.
    pub(crate) fn steps(&self) -> &[StepMetrics] {
        &self.steps
    }

    /// The sum of the steps' tokens.
    pub(crate) fn usage(&self) -> Usage {
        let mut sum = Usage::default();
        for step in &self.steps {
            sum.add(&step.usage);
        }
        sum
    }

    /// Milliseconds that the streams of the steps took.
    pub(crate) fn gen_ms(&self) -> u64 {
        self.steps.iter().filter_map(|step| step.gen_total_ms).fold(0, u64::saturating_add)
    }

    /// What the assistant said last; none if it has said nothing yet.
    pub(crate) fn answer(&self) -> Option<Answer> {
        self.answer
    }

    /// What the conversation occupies as of the last step that reported its tokens.
    pub(crate) fn context_size(&self) -> Option<u64> {
        self.steps
            .iter()
            .rev()
            .map(|step| step.usage.input_tokens.saturating_add(step.usage.output_tokens))
            .find(|tokens| *tokens > 0)
    }

    /// Takes in writes, or refuses all of them.
    pub(crate) fn admit(&mut self, ops: &[LogOp]) -> Result<(), Error> {
        let mut trial = Trial {
            turn: self,
            tail: self.tail,
            called: Vec::new(),
            answered: Vec::new(),
            steps: Vec::new(),
            answer: self.answer,
        };
        for op in ops {
            match op {
                LogOp::Grow(growth) => trial.grow(growth)?,
                LogOp::Append(entry) | LogOp::Answer(entry, _) | LogOp::Deliver(entry, _) => {
                    trial.append(entry)?;
                }
                LogOp::Step(step) => trial.step(step)?,
            }
        }
        let Trial { tail, called, answered, steps, answer, .. } = trial;
        self.tail = tail;
        self.answer = answer;
        self.call_ids.extend(called.iter().map(|call| call.id.clone()));
        self.unanswered.extend(called);
        self.unanswered.retain(|call| !answered.contains(&call.id));
        self.steps.extend(steps);
        Ok(())
    }

    /// Takes in what the log has already, even where it could not have been written like that.
    pub(crate) fn replay(&mut self, op: LogOp) {
        let (seq, message, role) = match &op {
            LogOp::Grow(growth) => (growth.seq, growth.message, Role::Assistant),
            LogOp::Append(entry) | LogOp::Answer(entry, _) | LogOp::Deliver(entry, _) => {
                (entry.seq, entry.message, entry.role)
            }
            LogOp::Step(_) => (self.tail.seq, self.tail.message, self.tail.role),
        };
        if let Err(misfit) = self.admit(&[op]) {
            tracing::warn!(turn = %self.id, %misfit, "the log of an open turn is not as it was written");
            self.tail = Tail { seq, message, role, growing: None };
        }
    }

    /// The chunks that a seal adds: what had grown of an open chunk, then a result for each call that has none.
    pub(crate) fn close(&mut self, grown: &str) -> Closing {
        let mut entries = Vec::new();
        if let Some(kind) = self.tail.growing.take() {
            let text = grown.to_owned();
            let chunk = match kind {
                TextKind::Text => Chunk::Text { text },
                TextKind::Thinking => Chunk::Thinking { text },
            };
            let Tail { seq, message, role, .. } = self.tail;
            entries.push(Entry { seq, message, role, chunk, replay: None });
        }
        let synthesised = self.unanswered.len();
        for call in self.unanswered.drain(..) {
            let (seq, message) = (self.tail.seq + 1, self.tail.message + 1);
            self.tail = Tail { seq, message, role: Role::Tool, growing: None };
            let chunk = Chunk::ToolResult {
                tool_call_id: call.id,
                tool_name: call.tool,
                content: INTERRUPTED.to_owned(),
                is_error: true,
                step_id: call.step,
            };
            entries.push(Entry { seq, message, role: Role::Tool, chunk, replay: None });
        }
        Closing { entries, synthesised }
    }
}

/// What a seal adds to the log.
pub(crate) struct Closing {
    pub(crate) entries: Vec<Entry>,
    /// How many of them are results of calls that had none.
    pub(crate) synthesised: usize,
}

/// The turn after the writes that were looked at so far.
struct Trial<'a> {
    turn: &'a OpenTurn,
    tail: Tail,
    called: Vec<Call>,
    answered: Vec<String>,
    steps: Vec<StepMetrics>,
    answer: Option<Answer>,
}

impl Trial<'_> {
    fn grow(&mut self, growth: &Growth) -> Result<(), Error> {
        let Growth { seq, message, kind, .. } = *growth;
        match self.tail.growing {
            Some(open) => {
                if seq != self.tail.seq || message != self.tail.message || kind != open {
                    return Err(self.misplaced(seq, message));
                }
            }
            None => {
                self.place(seq, message, Role::Assistant)?;
                self.tail.growing = Some(kind);
                self.said(message, (kind == TextKind::Text).then_some(seq));
            }
        }
        Ok(())
    }

    fn append(&mut self, entry: &Entry) -> Result<(), Error> {
        let Entry { seq, message, role, .. } = *entry;
        match self.tail.growing {
            Some(open) => {
                let same = match &entry.chunk {
                    Chunk::Text { .. } => open == TextKind::Text,
                    Chunk::Thinking { .. } => open == TextKind::Thinking,
                    Chunk::ToolCall { .. }
                    | Chunk::ToolResult { .. }
                    | Chunk::Error { .. }
                    | Chunk::System { .. }
                    | Chunk::Image(_) => false,
                };
                if seq != self.tail.seq || message != self.tail.message || role != self.tail.role || !same {
                    return Err(self.misplaced(seq, message));
                }
                self.tail.growing = None;
            }
            None => self.place(seq, message, role)?,
        }
        match &entry.chunk {
            Chunk::ToolCall { tool_call_id, tool_name, step_id, .. } => {
                if self.turn.call_ids.contains(tool_call_id)
                    || self.called.iter().any(|call| call.id == *tool_call_id)
                {
                    return Err(Error::Misfit(format!(
                        "there is a call {tool_call_id} in this turn already"
                    )));
                }
                self.called.push(Call {
                    id: tool_call_id.clone(),
                    tool: tool_name.clone(),
                    step: step_id.clone(),
                });
            }
            Chunk::ToolResult { tool_call_id, .. } => {
                let waiting = self.turn.unanswered.iter().chain(&self.called);
                if !waiting.into_iter().any(|call| call.id == *tool_call_id)
                    || self.answered.contains(tool_call_id)
                {
                    return Err(Error::Misfit(format!("no call {tool_call_id} waits for a result")));
                }
                self.answered.push(tool_call_id.clone());
            }
            Chunk::Text { .. }
            | Chunk::Thinking { .. }
            | Chunk::Error { .. }
            | Chunk::System { .. }
            | Chunk::Image(_) => {}
        }
        if role == Role::Assistant {
            self.said(message, matches!(entry.chunk, Chunk::Text { .. }).then_some(seq));
        }
        Ok(())
    }

    fn step(&mut self, step: &StepMetrics) -> Result<(), Error> {
        if self.turn.steps.iter().chain(&self.steps).any(|known| known.step_id == step.step_id) {
            return Err(Error::Misfit(format!("the step {} is complete already", step.step_id)));
        }
        self.steps.push(step.clone());
        Ok(())
    }

    /// A chunk of the assistant's, with its seq if it is text.
    fn said(&mut self, message: u64, text: Option<u64>) {
        let before = self.answer.filter(|answer| answer.message == message).and_then(|answer| answer.text);
        self.answer = Some(Answer { message, text: text.or(before) });
    }

    /// The place after the tail: the next seq, and the same message or the next one.
    fn place(&mut self, seq: u64, message: u64, role: Role) -> Result<(), Error> {
        let continues = message == self.tail.message && role == self.tail.role;
        if seq != self.tail.seq + 1 || !(continues || message == self.tail.message + 1) {
            return Err(self.misplaced(seq, message));
        }
        self.tail = Tail { seq, message, role, growing: None };
        Ok(())
    }

    fn misplaced(&self, seq: u64, message: u64) -> Error {
        let Tail { seq: last_seq, message: last_message, role, growing } = self.tail;
        let state = if growing.is_some() { "open" } else { "complete" };
        Error::Misfit(format!(
            "chunk {seq} of message {message} cannot follow chunk {last_seq} of message {last_message}, which is \
             of role {} and {state}",
            role.as_str()
        ))
    }
}
