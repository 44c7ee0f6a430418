//! Plays a plan against a server until it is killed, and brings what the clients heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time;
use wire::transport::{ChatRequest, ClientMessage, ServerMessage};
use wire::{AgentEvent, ConversationId, ErrorCode, Relayed};

use super::judge::{Fate, Given, Heard};
use super::plan::{Plan, Prompt, Script, Way};
use crate::client::{Client, Socket};
use crate::server::Server;

/// How long connections may take to find out that their server is gone.
const FAREWELL: Duration = Duration::from_secs(20);

/// What became of one conversation in one round.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) id: Option<ConversationId>,
    pub(super) heard: Vec<Heard>,
    pub(super) given: Vec<Given>,
    /// What must not be, whatever the log says.
    pub(super) wrong: Vec<String>,
}

/// The world that a client lives in.
#[derive(Clone)]
struct World {
    client: Client,
    ws_url: String,
    killed: Arc<AtomicBool>,
    id: ConversationId,
}

/// Plays the plan and kills the server.
pub(super) async fn play(plan: &Plan, server: Server) -> anyhow::Result<Vec<Played>> {
    let killed = Arc::new(AtomicBool::new(false));
    let client = Client::new(server.url())?;
    let mut scripts = JoinSet::new();
    for script in plan.scripts.clone() {
        let world = World {
            client: client.clone(),
            ws_url: server.ws_url(),
            killed: killed.clone(),
            id: script.id.clone(),
        };
        scripts.spawn(world.perform(script));
    }
    time::sleep(plan.kill_after).await;
    killed.store(true, Ordering::SeqCst);
    server.kill().await?;
    let all = time::timeout(FAREWELL, scripts.join_all()).await;
    all.map_err(|_| anyhow::anyhow!("connections to a killed server stay open"))
}

impl World {
    async fn perform(self, script: Script) -> Played {
        let Script { id, prompts, queued, watchers, stop } = script;
        let watching = join_all(watchers.into_iter().zip(1..).map(|(after, number)| {
            let world = self.clone();
            async move {
                time::sleep(after).await;
                world.watch(format!("watcher {number}")).await
            }
        }));
        let queueing = join_all(queued.into_iter().map(|message| {
            let world = self.clone();
            async move {
                time::sleep(message.after).await;
                world.queue(message.text).await
            }
        }));
        let stopping = async {
            if let Some(after) = stop {
                time::sleep(after).await;
                return self.broken("stop", self.client.stop(&self.id).await.err());
            }
            None
        };
        let prompting = self.prompt(prompts);
        let (mut played, watched, queued, stopped) = tokio::join!(prompting, watching, queueing, stopping);
        for part in watched.into_iter().chain(queued) {
            played.heard.extend(part.heard);
            played.given.extend(part.given);
            played.wrong.extend(part.wrong);
        }
        played.wrong.extend(stopped);
        played.id = Some(id);
        played
    }

    async fn prompt(&self, prompts: Vec<Prompt>) -> Played {
        let mut played = Played::default();
        for (Prompt { text, way }, number) in prompts.into_iter().zip(1..) {
            if self.killed.load(Ordering::SeqCst) {
                break;
            }
            let part = match way {
                Way::Http => self.post(format!("POST {number}"), &text).await,
                Way::Socket => self.send(format!("sender {number}"), &text).await,
            };
            let heard_it = |heard: &Heard| heard.events.iter().any(|event| is_prompt(event, &text));
            let fate = match part.refused {
                true => Fate::Refused,
                false if part.heard.iter().any(heard_it) => Fate::Accepted,
                false => Fate::Unknown,
            };
            played.given.push(Given { text, fate });
            played.heard.extend(part.heard);
            played.wrong.extend(part.wrong);
            if fate == Fate::Refused {
                // A queued message has just started a turn.
                time::sleep(Duration::from_millis(30)).await;
            }
        }
        played
    }

    /// Sends a prompt over HTTP and listens to the end of the turn.
    async fn post(&self, who: String, text: &str) -> Sent {
        let mut sent = Sent::default();
        let mut heard = Heard { who, events: Vec::new() };
        let request = ChatRequest {
            message: text.to_owned(),
            conversation_id: Some(self.id.clone()),
            ..ChatRequest::default()
        };
        let mut stream = match self.client.chat(&request).await {
            Ok(stream) => stream,
            Err(error) => {
                sent.wrong.extend(self.broken(&heard.who, Some(error)));
                return sent;
            }
        };
        loop {
            match stream.more().await {
                Ok(Some(lines)) => {
                    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                        match serde_json::from_slice(line) {
                            Ok(event) => heard.events.push(event),
                            Err(error) => sent.wrong.push(format!("{}: no event: {error}", heard.who)),
                        }
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    sent.wrong.extend(self.broken(&heard.who, Some(error)));
                    sent.heard.push(heard);
                    return sent;
                }
            }
        }
        match heard.events.as_slice() {
            [AgentEvent::Error { code: Some(code), .. }] if code == ErrorCode::TurnActive.as_str() => {
                sent.refused = true;
                return sent;
            }
            [.., AgentEvent::TurnSealed { .. }] => {}
            events => {
                let last = events.last().map(AgentEvent::kind);
                sent.wrong.push(format!("{}: the stream ended after {last:?}", heard.who));
            }
        }
        sent.heard.push(heard);
        sent
    }

    /// Sends a prompt over a WebSocket and listens until its turn is sealed.
    async fn send(&self, who: String, text: &str) -> Sent {
        let mut sent = Sent::default();
        let mut heard = Heard { who, events: Vec::new() };
        let request = ChatRequest {
            message: text.to_owned(),
            conversation_id: Some(self.id.clone()),
            ..ChatRequest::default()
        };
        let mut own_turn = None;
        let result = async {
            let mut socket = Socket::connect(&self.ws_url).await?;
            socket.send(&ClientMessage::ChatSend { request }).await?;
            while let Some(frame) = socket.next().await {
                match self.frame(&frame, &mut heard) {
                    Ok(Some(ServerMessage::ChatError { code: Some(code), .. }))
                        if code == ErrorCode::TurnActive.as_str() =>
                    {
                        sent.refused = true;
                        return Ok(());
                    }
                    Ok(Some(ServerMessage::ChatDelta { event: Relayed::Known(event) })) => {
                        if is_prompt(&event, text) {
                            own_turn = event.turn_id().cloned();
                        }
                        let sealed = matches!(event, AgentEvent::TurnSealed { .. });
                        if sealed && own_turn.is_some() && own_turn.as_ref() == event.turn_id() {
                            return Ok(());
                        }
                    }
                    Ok(_) => {}
                    Err(problem) => sent.wrong.push(problem),
                }
            }
            anyhow::bail!("the connection ended")
        }
        .await;
        sent.wrong.extend(self.broken(&heard.who, result.err()));
        sent.heard.push(heard);
        sent
    }

    /// Watches until the server is gone.
    async fn watch(&self, who: String) -> Played {
        let mut played = Played::default();
        let mut heard = Heard { who, events: Vec::new() };
        let result = async {
            let mut socket = Socket::connect(&self.ws_url).await?;
            socket.subscribe(&self.id).await?;
            while let Some(frame) = socket.next().await {
                if let Err(problem) = self.frame(&frame, &mut heard) {
                    played.wrong.push(problem);
                }
            }
            anyhow::bail!("the connection ended")
        }
        .await;
        let result: anyhow::Result<()> = result;
        played.wrong.extend(self.broken(&heard.who, result.err()));
        played.heard.push(heard);
        played
    }

    async fn queue(&self, text: String) -> Played {
        let mut played = Played::default();
        let fate = match self.client.queue(&self.id, &text).await {
            Ok(answer) => {
                let there = answer.queue.iter().any(|message| message.text == text);
                if there == answer.started_turn {
                    played.wrong.push(format!("the answer to a queued message makes no sense: {answer:?}"));
                }
                Fate::Accepted
            }
            Err(error) => {
                played.wrong.extend(self.broken("queue", Some(error)));
                Fate::Unknown
            }
        };
        played.given.push(Given { text, fate });
        played
    }

    /// Takes in a frame; what it was, or why it must not be.
    fn frame(&self, frame: &str, heard: &mut Heard) -> Result<Option<ServerMessage>, String> {
        let message: ServerMessage =
            serde_json::from_str(frame).map_err(|error| format!("{}: {error} in {frame}", heard.who))?;
        match &message {
            ServerMessage::ChatDelta { event: Relayed::Known(event) } => {
                if *event.conversation_id() != self.id {
                    return Err(format!("{}: not subscribed: {frame}", heard.who));
                }
                heard.events.push(event.clone());
                Ok(Some(message))
            }
            ServerMessage::ChatDelta { event: Relayed::Unknown(_) } => {
                Err(format!("{}: not in the contract: {frame}", heard.who))
            }
            ServerMessage::ChatError { .. } => Ok(Some(message)),
            ServerMessage::Error { .. } => Err(format!("{}: {frame}", heard.who)),
            ServerMessage::Catalog { .. }
            | ServerMessage::Surface { .. }
            | ServerMessage::Update { .. }
            | ServerMessage::ConversationOpen { .. }
            | ServerMessage::ConversationStatusChanged { .. }
            | ServerMessage::ConversationCompacted { .. } => Ok(None),
        }
    }

    /// A failure is a problem unless the server was killed by then.
    fn broken(&self, who: &str, error: Option<anyhow::Error>) -> Option<String> {
        let error = error?;
        (!self.killed.load(Ordering::SeqCst))
            .then(|| format!("{who}: {error:#}, before the server was killed"))
    }
}

/// What became of a prompt.
#[derive(Default)]
struct Sent {
    heard: Vec<Heard>,
    refused: bool,
    wrong: Vec<String>,
}

fn is_prompt(event: &AgentEvent, text: &str) -> bool {
    matches!(event, AgentEvent::UserMessage { text: heard, .. } if heard == text)
}
