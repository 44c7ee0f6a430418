//! Performs what a turn machine wants: the one place where a turn meets the log, the provider, the tools and time.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt, stream};
use kernel::provider::EventStream;
use kernel::{
    DoneReason, Failure, Input, LogOp, Outcome, Output, Provider, ProviderEvent, Request, Tool, ToolContext,
    ToolOutput, ToolResult, Turn,
};
use store::Seal;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wire::extension::ExtensionEvent;
use wire::{ErrorCode, TurnId};

use crate::actor::{Actor, Command};
use crate::live::Recorded;
use crate::{Error, Shared, now_ms};

/// The most inputs that are taken in before what they led to is performed.
const BATCH: usize = 256;

/// How long the rest of a finished provider's stream is read, so that its connection can be used again.
const DRAIN: Duration = Duration::from_secs(1);

/// The outside world of one turn.
pub(crate) struct Driver {
    turn_id: TurnId,
    provider: Arc<dyn Provider>,
    /// What the model may call in this turn.
    offered: Vec<Arc<dyn Tool>>,
    cwd: PathBuf,
    /// The open provider call.
    stream: Option<(u32, EventStream)>,
    tools: JoinSet<()>,
    tool_events: mpsc::Sender<Input>,
    from_tools: mpsc::Receiver<Input>,
    cancel_tools: CancellationToken,
    stopped: bool,
    ended: Option<Ended>,
}

/// How a turn ended.
#[derive(Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) reason: DoneReason,
    /// Whether it is in the history.
    pub(crate) sealed: bool,
    /// Tokens that the conversation occupies now, where the last step said.
    pub(crate) context_size: Option<u64>,
}

impl Ended {
    /// A turn of which nothing is known.
    fn lost() -> Self {
        Self { reason: DoneReason::Error, sealed: false, context_size: None }
    }
}

impl Driver {
    pub(crate) fn new(
        turn_id: TurnId,
        provider: Arc<dyn Provider>,
        offered: Vec<Arc<dyn Tool>>,
        cwd: PathBuf,
    ) -> Self {
        let (tool_events, from_tools) = mpsc::channel(BATCH);
        Self {
            turn_id,
            provider,
            offered,
            cwd,
            stream: None,
            tools: JoinSet::new(),
            tool_events,
            from_tools,
            cancel_tools: CancellationToken::new(),
            stopped: false,
            ended: None,
        }
    }

    /// Drives the turn to its end.
    pub(crate) async fn drive(&mut self, actor: &mut Actor, turn: &mut Turn) -> Ended {
        let stopping = actor.shared.stopping.clone();
        loop {
            self.perform(actor, turn).await;
            if turn.is_over() {
                return self.ended.unwrap_or_else(Ended::lost);
            }
            let deadline = turn.deadline();
            tokio::select! {
                command = actor.commands.recv() => match command {
                    Some(command) => self.on_command(actor, turn, command).await,
                    // The registry holds the other end for as long as the actor is on its list.
                    None => self.stop(turn),
                },
                item = next(&mut self.stream) => self.on_provider(turn, item),
                Some(input) = self.from_tools.recv() => self.on_tool(turn, input),
                () = sleep_until(deadline) => turn.handle(Instant::now(), Input::Time),
                () = stopping.cancelled(), if !self.stopped => self.stop(turn),
            }
        }
    }

    pub(crate) fn stop(&mut self, turn: &mut Turn) {
        self.stopped = true;
        turn.handle(Instant::now(), Input::Stop);
    }

    async fn on_command(&mut self, actor: &mut Actor, turn: &mut Turn, command: Command) {
        match command {
            Command::Send { prompt, reply } => {
                if actor.on_send_while_active(prompt, reply, self.stopped).await {
                    self.stop(turn);
                }
            }
            Command::Queue { steer, reply } => actor.steer(steer, reply, self.stopped).await,
            Command::Cancel { message, reply } => drop(reply.send(actor.cancel(message).await)),
            Command::Stop { reply } => {
                self.stop(turn);
                let _ = reply.send(true);
            }
            Command::Close { reply } => {
                self.stop(turn);
                let _ = reply.send(actor.close().await.map(|()| true));
            }
            Command::Reopen { reply } => drop(reply.send(actor.reopen().await)),
            Command::Delete { force: false, reply } => drop(reply.send(Err(Error::ConversationActive))),
            Command::Delete { force: true, reply } => {
                self.stop(turn);
                actor.delete_later(reply);
            }
            Command::Compact { reply, .. } => {
                let why = "the conversation is generating".to_owned();
                let _ = reply.send(Err(Error::CompactionRefused(why)));
            }
        }
    }

    /// Takes in an item of the provider's stream, and what else of it is there already.
    fn on_provider(&mut self, turn: &mut Turn, first: Option<ProviderEvent>) {
        let Some((call, stream)) = &mut self.stream else { return };
        let call = *call;
        let mut item = first;
        for _ in 0..BATCH {
            let now = Instant::now();
            match item {
                Some(event) => {
                    let finished = matches!(event, ProviderEvent::Finish(_));
                    turn.handle(now, Input::Provider { call, event });
                    if finished {
                        let (_, rest) = self.stream.take().unwrap_or((call, stream::empty().boxed()));
                        tokio::spawn(tokio::time::timeout(DRAIN, rest.for_each(|_| async {})));
                        return;
                    }
                }
                None => {
                    self.stream = None;
                    turn.handle(now, Input::ProviderEnded { call });
                    return;
                }
            }
            match stream.next().now_or_never() {
                Some(more) => item = more,
                None => return,
            }
        }
    }

    fn on_tool(&mut self, turn: &mut Turn, first: Input) {
        turn.handle(Instant::now(), first);
        for _ in 0..BATCH {
            match self.from_tools.try_recv() {
                Ok(input) => turn.handle(Instant::now(), input),
                Err(_) => return,
            }
        }
    }

    /// Performs batches until the turn wants nothing more.
    async fn perform(&mut self, actor: &mut Actor, turn: &mut Turn) {
        loop {
            let mut writes = Vec::new();
            let mut rest = Vec::new();
            while let Some(output) = turn.poll() {
                match output {
                    Output::Log(op) => writes.push(op),
                    other => rest.push(other),
                }
            }
            if writes.is_empty() && rest.is_empty() {
                return;
            }
            if let Err(error) = self.write(actor, writes).await {
                tracing::error!(conversation = %actor.id, turn = %self.turn_id, "the log failed: {error}");
                let input = Input::LogFailed { message: error.to_string(), code: error.code() };
                turn.handle(Instant::now(), input);
                continue;
            }
            self.carry_out(actor, turn, rest).await;
        }
    }

    async fn write(&mut self, actor: &mut Actor, writes: Vec<LogOp>) -> Result<(), store::Error> {
        if writes.is_empty() {
            return Ok(());
        }
        let delivered: Vec<String> = writes
            .iter()
            .filter_map(|op| match op {
                LogOp::Deliver(_, ids) => Some(ids.as_slice()),
                LogOp::Grow(_) | LogOp::Append(_) | LogOp::Answer(..) | LogOp::Step(_) => None,
            })
            .flatten()
            .cloned()
            .collect();
        actor.shared.store.journal(&actor.id, &self.turn_id, writes).await?;
        actor.delivered(&delivered);
        Ok(())
    }

    async fn carry_out(&mut self, actor: &mut Actor, turn: &mut Turn, outputs: Vec<Output>) {
        let mut events = Vec::new();
        let mut seal = None;
        for output in outputs {
            match output {
                // Taken out before.
                Output::Log(_) => {}
                Output::Emit(event) => events.push(Recorded::from(&event)),
                Output::Announce(event) => events.push(Recorded::from(&event)),
                Output::CallProvider { call, request } => {
                    self.stream = Some((call, self.provider.stream(request)));
                }
                Output::CancelProvider => self.stream = None,
                Output::RunTool { run, tool_call_id, name, input } => {
                    events.push(Recorded::from(&self.started(actor, &tool_call_id)));
                    self.run_tool(actor, run, tool_call_id, &name, input);
                }
                Output::CancelTools => self.cancel_tools.cancel(),
                Output::Drain => turn.handle(Instant::now(), Input::Drained(actor.queue.clone())),
                Output::Seal(outcome) => seal = Some(outcome),
            }
        }
        if turn.is_over() {
            actor.shared.reads.calm(&actor.id, &actor.hub).await;
            // The end of the live turn and the beginning of its life as history are one moment.
            actor.hub.end(events);
        } else {
            actor.hub.publish(events);
        }
        if let Some(outcome) = seal {
            self.seal(actor, turn, outcome).await;
        }
    }

    async fn seal(&mut self, actor: &Actor, turn: &mut Turn, outcome: Outcome) {
        self.stream = None;
        self.tools.abort_all();
        let seal = Seal {
            conversation: actor.id.clone(),
            turn: self.turn_id.clone(),
            at: now_ms(),
            reason: outcome.reason.as_str().to_owned(),
            duration_ms: outcome.duration_ms,
            context_size: outcome.context_size,
        };
        let sealed = actor.shared.store.seal(seal).await;
        self.ended = Some(Ended {
            reason: outcome.reason,
            sealed: sealed.is_ok(),
            context_size: outcome.context_size,
        });
        let input = match sealed {
            Ok(_) => Input::Sealed,
            Err(error) => {
                tracing::error!(conversation = %actor.id, turn = %self.turn_id, "the turn cannot be sealed: {error}");
                Input::SealFailed { message: error.to_string(), code: error.code() }
            }
        };
        turn.handle(Instant::now(), input);
    }

    /// That a tool starts now.
    fn started(&self, actor: &Actor, tool_call_id: &str) -> ExtensionEvent {
        ExtensionEvent::ToolStart {
            conversation_id: actor.id.clone(),
            turn_id: self.turn_id.clone(),
            tool_call_id: tool_call_id.to_owned(),
            started_at: now_ms(),
        }
    }

    fn run_tool(
        &mut self,
        actor: &Actor,
        run: u32,
        tool_call_id: String,
        name: &str,
        input: serde_json::Value,
    ) {
        let Some(tool) = self.offered.iter().find(|tool| tool.spec().name == name).cloned() else {
            // The machine asks only for tools that it was given.
            return;
        };
        let (output, mut outputs) = futures_channel::mpsc::channel(16);
        let context = ToolContext {
            conversation_id: actor.id.clone(),
            tool_call_id,
            cwd: self.cwd.clone(),
            output,
            cancelled: ToolContext::cancelled_by(self.cancel_tools.clone().cancelled_owned()),
        };
        let events = self.tool_events.clone();
        let shared = actor.shared.clone();
        let file = format!("{}-{run}.txt", self.turn_id);
        self.tools.spawn(async move {
            let call = AssertUnwindSafe(async move { tool.run(input, context).await }).catch_unwind();
            tokio::pin!(call);
            let forward = |output: ToolOutput| events.send(Input::ToolOutput { run, output });
            let result = loop {
                tokio::select! {
                    biased;
                    Some(output) = outputs.next() => drop(forward(output).await),
                    result = &mut call => break result,
                }
            };
            while let Some(Some(output)) = outputs.next().now_or_never() {
                let _ = forward(output).await;
            }
            let result = match result {
                Ok(result) => bounded(&shared, result, &file).await,
                Err(_) => ToolResult::error("Tool execution error: the tool failed by a defect of its own"),
            };
            let _ = events.send(Input::ToolDone { run, result }).await;
        });
    }
}

/// Cuts a result that is too long for the log and the model, and keeps it whole beside the log.
async fn bounded(shared: &Shared, result: ToolResult, file: &str) -> ToolResult {
    let limit = shared.options.result_limit;
    if result.content.len() <= limit {
        return result;
    }
    let kept = match &shared.options.results {
        Some(directory) => {
            let path = directory.join(file);
            let written = match tokio::fs::create_dir_all(directory).await {
                Ok(()) => tokio::fs::write(&path, &result.content).await,
                Err(error) => Err(error),
            };
            match written {
                Ok(()) => format!("the server keeps all of it in {}", path.display()),
                Err(error) => format!("it could not be kept whole: {error}"),
            }
        }
        None => "the rest is not kept".to_owned(),
    };
    let total = result.content.len();
    let mut content = result.content;
    content.truncate(floor_char_boundary(&content, limit));
    content
        .push_str(&format!("\n[cut here: the result has {total} bytes, of which {limit} are shown; {kept}]"));
    ToolResult { content, is_error: result.is_error }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

async fn next(stream: &mut Option<(u32, EventStream)>) -> Option<ProviderEvent> {
    match stream {
        Some((_, stream)) => stream.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// A provider that answers every call with why it cannot: so a turn that cannot be served still is a whole turn, with
/// its prompt in the log and an end.
pub(crate) fn refusal(message: String, code: ErrorCode) -> Arc<dyn Provider> {
    Arc::new(Refusal { message, code })
}

struct Refusal {
    message: String,
    code: ErrorCode,
}

impl Refusal {
    fn failure(&self) -> Failure {
        Failure {
            message: self.message.clone(),
            code: Some(self.code.as_str().to_owned()),
            retryable: false,
            retry_after: None,
        }
    }
}

impl Provider for Refusal {
    fn stream(&self, _: Request) -> EventStream {
        stream::iter([ProviderEvent::Error(self.failure())]).boxed()
    }

    fn models(&self) -> futures_util::future::BoxFuture<'_, Result<Vec<kernel::ModelInfo>, Failure>> {
        std::future::ready(Err(self.failure())).boxed()
    }
}
