//! Conversations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use client::wire::extension::WhenActive;
use client::wire::{AgentEvent, Chunk, ConversationId, Role, TurnId};
use client::{Client, ClientMessageId, Event, Message, Retries, Seen, Stored, Taken, Watch, Window};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use weather::tcp::Relay;

use crate::check::{Checks, soon};
use crate::server::Server;

/// What was heard of a turn, without what depends on how events were put together on their way: deltas are joined.
type Told = Vec<(&'static str, String)>;

/// Turns, from whoever saw them.
#[derive(Clone, Debug, Default)]
struct Story {
    turns: Vec<(TurnId, Told)>,
    /// The ids of events, in their order.
    ids: Vec<String>,
    /// How many turns there were before each gap.
    gaps: Vec<usize>,
}

impl Story {
    fn hear(&mut self, seen: Seen) -> Option<AgentEvent> {
        let Seen::Event(Event { heard: client::Heard::Turn(event), id, .. }) = seen else {
            if seen == Seen::Gap {
                self.gaps.push(self.turns.len());
            }
            return None;
        };
        // The end of a turn that was missed has the number of the last event that was not.
        let is_again = matches!(event, AgentEvent::TurnSealed { .. }) && self.ids.last() == id.as_ref();
        self.ids.extend(id.filter(|_| !is_again));
        let turn = event.turn_id()?.clone();
        if self.turns.last().is_none_or(|(known, _)| *known != turn) {
            self.turns.push((turn, Told::new()));
        }
        let told = &mut self.turns.last_mut()?.1;
        let what = match &event {
            AgentEvent::UserMessage { text, .. } | AgentEvent::Steering { text, .. } => text.clone(),
            AgentEvent::TextDelta { delta, .. } | AgentEvent::ReasoningDelta { delta, .. } => delta.clone(),
            AgentEvent::ToolCall { tool_name, input, .. } => format!("{tool_name} {input}"),
            AgentEvent::ToolResult { content, .. } => content.clone(),
            AgentEvent::ToolOutput { data, .. } => data.clone(),
            AgentEvent::Done { reason, .. } => reason.clone(),
            AgentEvent::Error { message, .. } => message.clone(),
            AgentEvent::Usage { .. }
            | AgentEvent::StepComplete { .. }
            | AgentEvent::TurnStart { .. }
            | AgentEvent::TurnSealed { .. }
            | AgentEvent::Status { .. } => String::new(),
        };
        let kind = event.kind();
        match told.last_mut() {
            Some((last, before)) if *last == kind && kind.ends_with("-delta") => before.push_str(&what),
            _ => told.push((kind, what)),
        }
        Some(event)
    }

    fn told(&self, turn: &TurnId) -> Told {
        let found = self.turns.iter().find(|(id, _)| id == turn);
        found.map(|(_, told)| told.clone()).unwrap_or_default()
    }

    fn text(&self, turn: &TurnId) -> String {
        let told = self.told(turn);
        told.iter().filter(|(kind, _)| *kind == "text-delta").map(|(_, text)| text.as_str()).collect()
    }

    /// Whether no event came twice or before one that it follows.
    fn is_in_order(&self) -> bool {
        let mut last = BTreeMap::<&str, u64>::new();
        self.ids.iter().all(|id| {
            let Some((turn, seq)) = id.rsplit_once(':') else { return false };
            let Ok(seq) = seq.parse() else { return false };
            last.insert(turn, seq).is_none_or(|before| before < seq)
        })
    }
}

/// Watches until a turn with that answer is sealed; with any answer, if it is empty.
fn watch(watch: Watch, last: &'static str) -> JoinHandle<Result<Story>> {
    watch_and_tell(watch, last, Arc::default())
}

/// The same, and tells of the first gap.
fn watch_and_tell(mut watch: Watch, last: &'static str, gap: Arc<Notify>) -> JoinHandle<Result<Story>> {
    tokio::spawn(async move {
        let mut story = Story::default();
        loop {
            let seen = soon("an event", watch.next()).await??;
            if seen == Seen::Gap {
                gap.notify_one();
            }
            if let Some(AgentEvent::TurnSealed { turn_id, .. }) = story.hear(seen)
                && (last.is_empty() || story.text(&turn_id) == last)
            {
                return Ok(story);
            }
        }
    })
}

fn message(id: &ConversationId, text: &str) -> Message {
    Message::new(Some(id.clone()), text.to_owned())
}

async fn joined(story: JoinHandle<Result<Story>>) -> Result<Story> {
    story.await?
}

/// Everything that is said of conversations.
pub(crate) async fn run(server: &mut Server, checks: &mut Checks) -> Result<()> {
    let client = server.client()?;
    let id = ConversationId::new("scenario");
    is_sent(&client, &id, checks).await?;
    is_watched(server, &client, &id, checks).await?;
    is_steered_and_stopped(&client, &id, checks).await?;
    is_read(&client, &id, checks).await?;
    is_sent_once(server, &client, checks).await?;
    survives_a_kill(server, &client, checks).await
}

async fn is_sent(client: &Client, id: &ConversationId, checks: &mut Checks) -> Result<()> {
    let sent = soon("a message", client.send(&message(id, "say first"))).await??;
    let Taken::Turn(turn) = sent else { bail!("it is queued: {sent:?}") };
    let last = soon("an answer", client.settled(id)).await??.value;
    checks.same("a message is sent, and answered", last.content.as_str(), "first");
    let metrics = client.metrics(id).await?.value.turns;
    checks.same(
        "its turn is the one that was told",
        metrics.last().map(|turn| turn.turn_id.clone()),
        Some(turn),
    );
    let text = soon("an answer", client.stream(message(id, "say second")).text()).await??;
    checks.same("the text of a turn can be waited for", text.as_str(), "second");
    Ok(())
}

/// By one from the beginning, one that comes late, and one whose socket is cut.
async fn is_watched(
    server: &Server,
    client: &Client,
    id: &ConversationId,
    checks: &mut Checks,
) -> Result<()> {
    const CUTS: usize = 6;
    let relay = Relay::start(server.http).await?;
    let cut = server.client_through(relay.address())?;
    let early = watch(Watch::new(client, id.clone()), "");
    // The stream of the message goes through the relay, too.
    let mut turn = cut.stream(message(id, "think about rain then count to 150 slowly"));
    let mut streamed = Story::default();
    let (mut later, mut broken) = (None, None);
    let (mut deltas, mut cuts) = (0, 0);
    while let Some(seen) = soon("an event", turn.next()).await?? {
        if let Some(AgentEvent::TextDelta { .. }) = streamed.hear(seen) {
            deltas += 1;
        }
        if deltas == 5 && broken.is_none() {
            broken = Some(watch(Watch::new(&cut, id.clone()), ""));
        }
        if deltas == 30 && later.is_none() {
            later = Some(watch(Watch::new(client, id.clone()), ""));
        }
        if deltas > 15 * (cuts + 1) && cuts < CUTS {
            relay.cut();
            cuts += 1;
        }
    }
    let early = soon("a watcher", joined(early)).await??;
    let later = joined(later.context("it was too short")?).await?;
    let broken = joined(broken.context("it was too short")?).await?;
    let (turn, told) = early.turns.first().cloned().context("nothing was heard")?;
    checks.that("a turn is streamed from its first event to its last", {
        told.first().is_some_and(|(kind, _)| *kind == "user-message")
            && told.last().is_some_and(|(kind, _)| *kind == "turn-sealed")
    });
    checks.same("a watcher that comes late hears the same in the end", later.told(&turn), told.clone());
    checks.same(&format!("so does one whose socket was cut {cuts} times"), broken.told(&turn), told.clone());
    checks.same("and whoever streams the message over that socket", streamed.told(&turn), told);
    checks.same("nothing was missed", (cuts, broken.gaps.len(), streamed.gaps.len()), (CUTS, 0, 0));
    let in_order = [&early, &later, &broken, &streamed].iter().all(|story| story.is_in_order());
    checks.that("no event came twice", in_order);

    // Another process goes on where one was.
    let at = early.ids.get(early.ids.len() / 2).context("it was too short")?;
    let mut rest = Watch::new(client, id.clone()).after(at);
    let next = watch_one(&mut rest).await?;
    checks.that("a watcher goes on by cursor", matches!(next, Seen::Gap) || is_after(&next, &early, at));
    Ok(())
}

async fn watch_one(watch: &mut Watch) -> Result<Seen> {
    Ok(soon("an event", watch.next()).await??)
}

/// Whether it is an event that comes after that one.
fn is_after(seen: &Seen, story: &Story, id: &str) -> bool {
    let Seen::Event(event) = seen else { return false };
    let position = |id: &str| story.ids.iter().position(|known| known == id);
    position(event.id.as_deref().unwrap_or_default()) > position(id)
}

async fn is_steered_and_stopped(client: &Client, id: &ConversationId, checks: &mut Checks) -> Result<()> {
    let mut turn = client.stream(message(id, "run `sleep 2` then say done"));
    let (mut story, mut steered) = (Story::default(), None);
    while let Some(seen) = soon("an event", turn.next()).await?? {
        if let Some(AgentEvent::ToolCall { turn_id, .. }) = story.hear(seen) {
            let other = client.steer(id, &TurnId::new("another"), "not you", &ClientMessageId::mint()).await;
            let refused = other.err().and_then(|error| error.code().map(str::to_owned));
            checks.same("another turn is not steered", refused.as_deref(), Some("turn-mismatch"));
            let said = ClientMessageId::mint();
            for _ in 0..2 {
                client.steer(id, &turn_id, "say steered", &said).await?;
            }
            checks.same("what steers waits, once", client.queued(id).await?.value.queue.len(), 1);
            steered = Some(turn_id);
        }
    }
    let steered = steered.context("no tool was called")?;
    let said: Vec<_> = story.told(&steered).into_iter().filter(|(kind, _)| *kind == "steering").collect();
    checks.same("a turn is steered", said, vec![("steering", "say steered".to_owned())]);

    let mut turn = client.stream(message(id, "count to 5000 slowly"));
    let (mut story, mut deltas, mut reason) = (Story::default(), 0, None);
    while let Some(seen) = soon("an event", turn.next()).await?? {
        match story.hear(seen) {
            Some(AgentEvent::TextDelta { .. }) => {
                deltas += 1;
                if deltas == 5 {
                    let active = client.send(&message(id, "say no")).await;
                    let code = active.err().and_then(|error| error.code().map(str::to_owned));
                    checks.same("a message meanwhile is refused", code.as_deref(), Some("turn-active"));
                    let queued = message(id, "say afterwards").when_active(WhenActive::Queue);
                    let queued = client.send(&queued).await?;
                    checks
                        .that("or queued", matches!(queued, Taken::Queued(queue) if queue.queue.len() == 1));
                    client.stop(id).await?;
                }
            }
            Some(AgentEvent::Done { reason: ended, .. }) => reason = Some(ended),
            _ => {}
        }
    }
    checks.same("a turn is stopped", reason.as_deref(), Some("aborted"));
    let stopped = story.turns.first().map(|(turn, _)| story.text(turn)).unwrap_or_default();
    let kept = texts(&client.history(id, Window::default()).await?, Role::Assistant);
    checks.that("what was said stays", kept.contains(&stopped));
    let queue = client.queued(id).await?.value.queue;
    if let [waiting] = &queue[..] {
        checks.that("what is queued stays queued", client.cancel(id, &waiting.id).await?.value.cancelled);
    } else {
        checks.failed("what is queued stays queued");
    }
    Ok(())
}

/// All texts of those with that role.
fn texts(history: &[Stored], role: Role) -> Vec<String> {
    let text = |stored: &Stored| match &stored.chunk.chunk {
        Chunk::Text { text } if stored.chunk.role == role => Some(text.clone()),
        _ => None,
    };
    history.iter().filter_map(text).collect()
}

async fn is_read(client: &Client, id: &ConversationId, checks: &mut Checks) -> Result<()> {
    let whole = client.history(id, Window::default()).await?;
    let mut paged = Vec::new();
    let mut pages = client.pages(id, 3);
    while let Some(page) = pages.next().await? {
        paged.splice(0..0, page);
    }
    let json = |history: &[Stored]| history.iter().map(|stored| stored.json.clone()).collect::<Vec<_>>();
    checks.that("pages are the whole history", json(&paged) == json(&whole) && whole.len() > 6);
    let seqs: Vec<_> = whole.iter().map(|stored| stored.chunk.seq).collect();
    checks.same("its seqs have no gap", seqs, (1..=whole.len() as u64).collect());

    // What is streamed now is what the history says afterwards.
    let before = whole.len() as u64;
    let mut turn = client.stream(message(id, "think about rain then count to 40 then say good bye"));
    let mut story = Story::default();
    while let Some(seen) = soon("an event", turn.next()).await?? {
        story.hear(seen);
    }
    let new = client.history(id, Window { since: before, ..Window::default() }).await?;
    let (turn, _) = story.turns.first().cloned().context("nothing was heard")?;
    checks.same("the history is what was streamed", texts(&new, Role::Assistant).concat(), story.text(&turn));
    checks.same(
        "and what was asked",
        texts(&new, Role::User),
        vec!["think about rain then count to 40 then say good bye".to_owned()],
    );
    let metrics = client.metrics(id).await?.value.turns;
    let last = metrics.last().context("there are no metrics")?;
    checks.that("its tokens are counted", last.turn_id == turn && last.usage.output_tokens > 0);
    Ok(())
}

/// Over sockets that are cut, refused and stalled at random.
async fn is_sent_once(server: &Server, client: &Client, checks: &mut Checks) -> Result<()> {
    const MESSAGES: usize = 40;
    let id = ConversationId::new("weather");
    let relay = Arc::new(Relay::start(server.http).await?);
    let through = server.client_through(relay.address())?.with_retries(Retries::PATIENT);
    let watched = watch(Watch::new(&through, id.clone()), "the end");
    let sky = relay.clone();
    let weather = tokio::spawn(async move {
        let relay = sky;
        let mut chance = fastrand::Rng::with_seed(1);
        loop {
            tokio::time::sleep(Duration::from_millis(chance.u64(5..150))).await;
            match chance.u8(0..4) {
                0 => {
                    relay.stall();
                    tokio::time::sleep(Duration::from_millis(chance.u64(5..200))).await;
                    relay.go_on();
                }
                1 => {
                    relay.refuse(true);
                    relay.cut();
                    tokio::time::sleep(Duration::from_millis(chance.u64(5..200))).await;
                    relay.refuse(false);
                }
                _ => relay.cut(),
            }
        }
    });
    let mut answers = Vec::new();
    for number in 0..MESSAGES {
        let turn = through.stream(message(&id, &format!("count to 12 then say {number}")));
        answers.push(soon("a turn", turn.text()).await??);
    }
    weather.abort();
    relay.go_on();
    relay.refuse(false);
    let last = soon("a turn", client.stream(message(&id, "say the end")).text()).await??;
    checks.same("and the last one in fine weather", last.as_str(), "the end");
    let watched = soon("the watcher", joined(watched)).await??;
    let history = client.history(&id, Window::default()).await?;
    let expected: Vec<_> = (0..MESSAGES)
        .map(|number| format!("count to 12 then say {number}"))
        .chain(["say the end".to_owned()])
        .collect();
    checks.same("in bad weather each message is taken once", texts(&history, Role::User), expected.clone());
    let right = answers.iter().enumerate().all(|(number, answer)| answer.ends_with(&number.to_string()));
    checks.that("and answered", right);
    checks.that("a watcher hears no event twice", watched.is_in_order());
    // Of a turn that was over before it could be resumed only its end is heard, or its beginning and its end.
    let (mut next, mut whole, mut known, mut is_told) = (0, 0, 0, true);
    for (at, (_, told)) in watched.turns.iter().enumerate() {
        let Some((_, text)) = told.first().filter(|(kind, _)| *kind == "user-message") else { continue };
        let Some(number) = expected.iter().position(|expected| expected == text) else { continue };
        is_told &= number == next || watched.gaps.iter().any(|gap| (known..=at).contains(gap));
        let is_whole = told.iter().any(|(kind, _)| *kind == "done");
        is_told &= is_whole || watched.gaps.contains(&(at + 1));
        whole += usize::from(is_whole);
        (next, known) = (number + 1, at + 1);
    }
    let gaps = watched.gaps.len();
    checks.that(
        &format!("and misses none unnoticed: {whole} of {} turns whole, {gaps} gaps", MESSAGES + 1),
        is_told,
    );
    Ok(())
}

/// Of the server, in the middle of a turn.
async fn survives_a_kill(server: &mut Server, client: &Client, checks: &mut Checks) -> Result<()> {
    let id = ConversationId::new("killed");
    let gap = Arc::<Notify>::default();
    let watched = watch_and_tell(Watch::new(client, id.clone()), "again", gap.clone());
    let mut turn = client.stream(message(&id, "count to 5000 slowly"));
    let (mut story, mut deltas) = (Story::default(), 0);
    while let Some(seen) = soon("an event", turn.next()).await?? {
        if let Some(AgentEvent::TextDelta { .. }) = story.hear(seen) {
            deltas += 1;
            if deltas == 10 {
                server.kill().await?;
                server.restart().await?;
            }
        }
    }
    checks.same("of a turn that was killed with its server, the gap is told", story.gaps.len(), 1);
    soon("the gap of a watcher", gap.notified()).await?;
    let text = soon("an answer", client.stream(message(&id, "say again")).text()).await??;
    checks.same("the conversation goes on", text.as_str(), "again");
    let watched = soon("the watcher", joined(watched)).await??;
    checks.same("a watcher is told of the gap, too, and hears the next turn", watched.gaps.len(), 1);
    checks
        .that("which is whole", watched.turns.last().is_some_and(|(turn, _)| watched.text(turn) == "again"));
    let history = client.history(&id, Window::default()).await?;
    let said = story.turns.first().map(|(turn, _)| story.text(turn)).unwrap_or_default();
    let kept = texts(&history, Role::Assistant);
    checks.that(
        "the history has all that was heard",
        kept.first().is_some_and(|kept| !said.is_empty() && kept.starts_with(&said)),
    );
    Ok(())
}
