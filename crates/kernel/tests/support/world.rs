//! Drives a turn as the engine does, without an engine: batches are performed as a unit, and everything that was
//! published, logged and asked for is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kernel::{Entry, Input, LogOp, Message, Options, Outcome, Output, ProviderEvent, Start, TextKind, Turn};
use wire::{AgentEvent, Chunk, ErrorCode, QueuedMessage, Role, StepMetrics};

pub struct World {
    pub turn: Turn,
    pub now: Instant,
    pub events: Vec<AgentEvent>,
    pub announced: usize,
    pub log: Vec<Entry>,
    pub open: Option<(u64, TextKind, String)>,
    pub steps: Vec<StepMetrics>,
    pub delivered: Vec<String>,
    /// How long tools ran, by the ids of their calls, as the log says.
    pub durations: BTreeMap<String, Option<u64>>,
    pub requests: Vec<Vec<std::sync::Arc<Message>>>,
    /// The provider call whose stream is open.
    pub call: Option<u32>,
    pub last_call: u32,
    /// Tools that run: their call ids by run.
    pub running: BTreeMap<u32, (String, String)>,
    pub started: Vec<String>,
    pub draining: bool,
    pub sealing: Option<Outcome>,
    pub fail_next_write: bool,
    pub log_failed: bool,
    pub stopped: bool,
    stopped_at: Option<Instant>,
    grace: Duration,
    limit: usize,
    next_seq: u64,
    next_message: u64,
    max_delivered: BTreeSet<String>,
}

impl World {
    pub fn new(start: Start, options: Options) -> Self {
        let now = Instant::now();
        let limit = if options.max_concurrent == 0 { usize::MAX } else { options.max_concurrent };
        let (next_seq, next_message) = (start.next_seq, start.next_message);
        let mut world = Self {
            turn: Turn::new(now, start, options.clone()),
            now,
            events: Vec::new(),
            announced: 0,
            log: Vec::new(),
            open: None,
            steps: Vec::new(),
            delivered: Vec::new(),
            durations: BTreeMap::new(),
            requests: Vec::new(),
            call: None,
            last_call: 0,
            running: BTreeMap::new(),
            started: Vec::new(),
            draining: false,
            sealing: None,
            fail_next_write: false,
            log_failed: false,
            stopped: false,
            stopped_at: None,
            grace: options.stop_grace,
            limit,
            next_seq,
            next_message,
            max_delivered: BTreeSet::new(),
        };
        world.perform();
        world
    }

    pub fn advance(&mut self, by: Duration) {
        self.now += by;
    }

    pub fn give(&mut self, input: Input) {
        match &input {
            Input::Stop => {
                self.stopped = true;
                self.stopped_at.get_or_insert(self.now);
            }
            Input::ToolDone { run, .. } => drop(self.running.remove(run)),
            Input::Drained(_) => self.draining = false,
            Input::Provider { event: ProviderEvent::Finish(_), call } if Some(*call) == self.call => {
                self.call = None
            }
            _ => {}
        }
        self.turn.handle(self.now, input);
        self.perform();
    }

    fn perform(&mut self) {
        let batch: Vec<Output> = std::iter::from_fn(|| self.turn.poll()).collect();
        let writes = batch.iter().any(|output| matches!(output, Output::Log(_)));
        if writes && self.fail_next_write {
            self.fail_next_write = false;
            self.log_failed = true;
            self.turn.handle(
                self.now,
                Input::LogFailed { message: "the disk is full".to_owned(), code: ErrorCode::StoreFailed },
            );
            return self.perform();
        }
        let (logs, rest): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|output| matches!(output, Output::Log(_)));
        for output in logs {
            if let Output::Log(op) = output {
                self.write(op);
            }
        }
        for output in rest {
            match output {
                Output::Log(_) => unreachable!("logs were taken out"),
                Output::Emit(event) => {
                    if let AgentEvent::ToolResult { tool_call_id, duration_ms, .. } = &event {
                        let logged = self.durations.get(tool_call_id);
                        assert_eq!(logged, Some(duration_ms), "the log and the event differ");
                    }
                    self.events.push(event);
                }
                Output::Announce(_) => self.announced += 1,
                Output::CallProvider { call, request } => {
                    assert!(!self.stopped, "a provider is called after a stop");
                    assert!(call > self.last_call, "a provider call's number is used again");
                    self.last_call = call;
                    self.call = Some(call);
                    self.requests.push(request.messages);
                }
                Output::CancelProvider => self.call = None,
                Output::RunTool { run, tool_call_id, name, .. } => {
                    assert!(!self.stopped, "a tool is started after a stop");
                    assert!(self.running.len() < self.limit, "too many tools at a time");
                    let exclusive = |name: &str| name == "change";
                    if exclusive(&name) {
                        assert!(self.running.is_empty(), "an exclusive tool is not alone");
                    }
                    assert!(
                        !self.running.values().any(|(_, other)| exclusive(other)),
                        "beside an exclusive tool"
                    );
                    self.started.push(tool_call_id.clone());
                    self.running.insert(run, (tool_call_id, name));
                }
                Output::CancelTools => {}
                Output::Drain => {
                    assert!(!self.draining, "the queue is asked for twice");
                    assert!(self.running.is_empty(), "the queue is asked for while tools run");
                    self.draining = true;
                }
                Output::Seal(outcome) => {
                    assert!(self.sealing.is_none(), "sealed twice");
                    self.call = None;
                    self.running.clear();
                    self.sealing = Some(outcome);
                }
            }
        }
    }

    fn write(&mut self, op: LogOp) {
        assert!(!self.log_failed, "the log is written to after it failed");
        match op {
            LogOp::Grow(growth) => {
                match &mut self.open {
                    Some((seq, kind, text)) => {
                        assert_eq!((*seq, *kind), (growth.seq, growth.kind), "another chunk grows");
                        text.push_str(&growth.delta);
                    }
                    None => {
                        assert_eq!(growth.seq, self.next_seq, "a chunk grows out of order");
                        self.next_seq += 1;
                        self.open = Some((growth.seq, growth.kind, growth.delta.clone()));
                    }
                }
                assert!(growth.message == self.next_message || growth.message + 1 == self.next_message);
                self.next_message = self.next_message.max(growth.message + 1);
            }
            LogOp::Append(entry) => {
                assert_ne!(entry.role, Role::Tool, "results are answers");
                self.append(entry);
            }
            LogOp::Answer(entry, duration) => {
                let Chunk::ToolResult { tool_call_id, .. } = &entry.chunk else {
                    panic!("{entry:?} is no result");
                };
                self.durations.insert(tool_call_id.clone(), duration);
                self.append(entry);
            }
            LogOp::Deliver(entry, ids) => {
                assert_eq!(entry.role, Role::User);
                for id in ids {
                    assert!(self.max_delivered.insert(id.clone()), "delivered twice: {id}");
                    self.delivered.push(id);
                }
                self.append(entry);
            }
            LogOp::Step(metrics) => {
                assert!(
                    self.steps.iter().all(|step| step.step_id != metrics.step_id),
                    "a step is metered twice"
                );
                if let (Some(ttft), Some(decode)) = (metrics.ttft_ms, metrics.decode_ms) {
                    assert_eq!(Some(ttft + decode), metrics.gen_total_ms);
                }
                self.steps.push(metrics);
            }
        }
    }

    fn append(&mut self, entry: Entry) {
        match self.open.take() {
            Some((seq, kind, text)) => {
                let expected = match kind {
                    TextKind::Text => Chunk::Text { text },
                    TextKind::Thinking => Chunk::Thinking { text },
                };
                assert_eq!(
                    (entry.seq, &entry.chunk),
                    (seq, &expected),
                    "a chunk is closed as something else"
                );
            }
            None => {
                assert_eq!(entry.seq, self.next_seq, "a seq is left out or used twice");
                self.next_seq += 1;
            }
        }
        assert!(
            entry.message == self.next_message || entry.message + 1 == self.next_message,
            "message numbers"
        );
        self.next_message = self.next_message.max(entry.message + 1);
        if let Some(previous) = self.log.last().filter(|previous| previous.message == entry.message) {
            assert_eq!(previous.role, entry.role, "one message, two roles");
        }
        self.log.push(entry);
    }

    /// Answers everything that is asked until the turn is over, and says how many answers it took.
    pub fn finish(&mut self) -> usize {
        use kernel::{FinishReason, ToolResult};
        for n in 0..10_000 {
            if self.turn.is_over() {
                return n;
            }
            if self.sealing.is_some() {
                self.give(Input::Sealed);
            } else if let (Some(stopped), false) = (self.stopped_at, self.running.is_empty()) {
                // The tools never answer: the turn gives them up, and in time.
                let deadline = self.turn.deadline().expect("a stopped turn waits for its tools for ever");
                assert!(deadline <= stopped + self.grace, "a stop takes too long");
                self.now = self.now.max(deadline);
                self.running.clear();
                self.give(Input::Time);
            } else if let Some((&run, _)) = self.running.first_key_value() {
                self.give(Input::ToolDone { run, result: ToolResult::ok("late") });
            } else if let Some(call) = self.call {
                self.give(Input::Provider { call, event: ProviderEvent::Finish(FinishReason::Stop) });
            } else if self.draining {
                self.give(Input::Drained(Vec::new()));
            } else if let Some(deadline) = self.turn.deadline() {
                self.now = self.now.max(deadline);
                self.give(Input::Time);
            } else {
                panic!("the turn is not over and waits for nothing");
            }
        }
        panic!("the turn does not end");
    }

    pub fn queued(n: usize) -> Vec<QueuedMessage> {
        (0..n)
            .map(|i| QueuedMessage {
                id: format!("q{i}"),
                text: format!("steer {i}"),
                queued_at: i as u64,
                client_message_id: None,
            })
            .collect()
    }
}
