//! The stream against a plain model of it: whatever is published, however little memory there is, whoever joins, reads,
//! leaves and comes back when and where: each frame is what the model says comes next, and nothing else.

use std::sync::Arc;

use engine::live::{
    After, Audience, Frame, Heard, Hub, MERGED_BYTES, Recorded, Spill, Watch, Watcher, Weight,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use wire::extension::ExtensionEvent;
use wire::{AgentEvent, ConversationId, TurnId};

/// An event before it belongs to a turn.
#[derive(Clone, Debug)]
enum Said {
    /// A delta of one of several kinds, with its text.
    Delta(usize, String),
    /// Any other event of the contract.
    Whole(usize, String),
    Retry(u32),
    ToolStart,
}

#[derive(Clone, Debug)]
enum Step {
    /// In a new turn, if none is in flight.
    Publish(Vec<Said>),
    End(Vec<Said>),
    Join(Audience, bool),
    Read(Index, usize),
    Leave(Index),
    Change(Index, Audience),
    /// After that event of that turn, and sometimes one that is not there.
    Resume(Audience, bool, Index, Index),
    /// Where a watcher is right now, which leaves.
    ComeBack(Index),
}

fn text() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "a",
        "b",
        "\"",
        "\\",
        "\n",
        "\u{1}",
        "é",
        "🦀",
        "</script>",
        "\u{2028}",
        "x\ty",
        "\\u0041",
        "}}",
        "{",
        "",
    ]);
    prop_oneof![
        30 => proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat()),
        4 => (100usize..5000, select(vec!["z", "\n", "ü"])).prop_map(|(n, c)| c.repeat(n)),
        1 => (30_000usize..200_000).prop_map(|n| "H".repeat(n)),
    ]
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        // One kind most of the time, so that there are runs.
        8 => text().prop_map(|text| Said::Delta(0, text)),
        4 => (0usize..5, text()).prop_map(|(kind, text)| Said::Delta(kind, text)),
        3 => (0usize..6, text()).prop_map(|(kind, text)| Said::Whole(kind, text)),
        1 => (1u32..5).prop_map(Said::Retry),
        1 => Just(Said::ToolStart),
    ]
}

fn audience() -> impl Strategy<Value = Audience> {
    select(vec![Audience::FirstContract, Audience::Contract, Audience::Extensions])
}

fn step() -> impl Strategy<Value = Step> {
    let batch = || proptest::collection::vec(said(), 0..20);
    let many = proptest::collection::vec("[a-z]{1,3}".prop_map(|text| Said::Delta(0, text)), 50..300);
    prop_oneof![
        12 => batch().prop_map(Step::Publish),
        2 => many.prop_map(Step::Publish),
        2 => batch().prop_map(Step::End),
        4 => (audience(), any::<bool>()).prop_map(|(audience, cursor)| Step::Join(audience, cursor)),
        12 => (any::<Index>(), 1usize..30).prop_map(|(who, frames)| Step::Read(who, frames)),
        1 => any::<Index>().prop_map(Step::Leave),
        1 => (any::<Index>(), audience()).prop_map(|(who, audience)| Step::Change(who, audience)),
        5 => (audience(), any::<bool>(), any::<Index>(), any::<Index>())
            .prop_map(|(audience, cursor, turn, event)| Step::Resume(audience, cursor, turn, event)),
        3 => any::<Index>().prop_map(Step::ComeBack),
    ]
}

/// An event of the model.
struct Event {
    json: Value,
    /// Of a delta: which field grows.
    grows: Option<&'static str>,
    later: bool,
    extension: bool,
    /// Whether those who join late get it as well.
    replayed: bool,
    event_seq: u64,
    attempt: u32,
}

impl Event {
    fn is_for(&self, audience: Audience, live: bool) -> bool {
        match audience {
            Audience::FirstContract => !self.extension && !self.later,
            Audience::Contract => !self.extension,
            Audience::Extensions => self.replayed || live,
        }
    }

    /// Whether it is a delta that differs from another in its text alone.
    fn continues(&self, other: &Self) -> bool {
        let without = |event: &Self| {
            let field = event.grows?;
            let mut json = event.json.clone();
            json.as_object_mut()?.remove(field);
            Some(json)
        };
        without(self).is_some() && without(self) == without(other)
    }
}

#[derive(Default)]
struct Turn {
    events: Vec<Event>,
    over: bool,
    attempt: u32,
}

impl Turn {
    fn count(&self) -> u64 {
        self.events.last().map_or(0, |event| event.event_seq)
    }

    /// Adds an event, and returns it as the stream takes it.
    fn say(&mut self, turn: usize, said: &Said) -> Recorded {
        // A tool starts after its call.
        let said = if self.count() == 0 && matches!(said, Said::ToolStart) {
            &Said::Whole(5, String::new())
        } else {
            said
        };
        let ids = json!({ "conversationId": "c", "turnId": turn_id(turn).as_str() });
        let (fields, grows, later) = match said {
            Said::Delta(0, text) => (json!({ "type": "text-delta", "delta": text }), Some("delta"), false),
            Said::Delta(1, text) => {
                (json!({ "type": "reasoning-delta", "delta": text }), Some("delta"), false)
            }
            Said::Delta(kind, text) => {
                let stream = if *kind == 2 { "stderr" } else { "stdout" };
                let call = kind.to_string();
                let fields =
                    json!({ "type": "tool-output", "toolCallId": call, "data": text, "stream": stream });
                (fields, Some("data"), false)
            }
            Said::Whole(0, text) => (json!({ "type": "user-message", "text": text }), None, true),
            Said::Whole(1, text) => (json!({ "type": "steering", "text": text }), None, true),
            Said::Whole(2, _) => (json!({ "type": "step-complete", "stepId": "s" }), None, true),
            Said::Whole(3, text) => (json!({ "type": "error", "message": text }), None, false),
            Said::Whole(4, text) => {
                let input = json!({ text.as_str(): [text, 1, null] });
                let fields = json!({
                    "type": "tool-call", "stepId": "s", "toolCallId": "2", "toolName": "x", "input": input,
                });
                (fields, None, false)
            }
            Said::Whole(_, _) => (json!({ "type": "turn-start" }), None, false),
            Said::Retry(attempt) => {
                let message = "no";
                let fields =
                    json!({ "type": "provider-retry", "attempt": attempt, "delayMs": 1, "message": message });
                (fields, None, false)
            }
            Said::ToolStart => {
                (json!({ "type": "tool-start", "toolCallId": "2", "startedAt": 7 }), None, false)
            }
        };
        let mut event = fields;
        event.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        let extension = matches!(said, Said::Retry(_) | Said::ToolStart);
        let replayed = !matches!(said, Said::Retry(_));
        let attempt = self.attempt.max(1);
        let event_seq = self.count() + u64::from(!extension);
        self.attempt = match said {
            Said::Retry(attempt) => attempt + 1,
            Said::Whole(2, _) => 1,
            Said::Delta(..) | Said::Whole(..) | Said::ToolStart => attempt,
        };
        self.events.push(Event {
            json: event.clone(),
            grows,
            later,
            extension,
            replayed,
            event_seq,
            attempt,
        });
        if extension {
            Recorded::from(&serde_json::from_value::<ExtensionEvent>(event).unwrap())
        } else {
            Recorded::from(&serde_json::from_value::<AgentEvent>(event).unwrap())
        }
    }
}

fn turn_id(turn: usize) -> TurnId {
    TurnId::new(format!("t{turn}"))
}

/// A watcher, and where the model says it is.
struct Watched {
    watcher: Watcher,
    audience: Audience,
    cursor: bool,
    turn: usize,
    event: usize,
    /// The next turn and event at the time of the join.
    live_from: (usize, usize),
    /// What is to be heard first.
    sealed: Option<After>,
    heard: Option<After>,
}

impl Watched {
    fn wants(&self, event: &Event, place: usize) -> bool {
        event.is_for(self.audience, (self.turn, place) >= self.live_from)
    }

    /// The place of the next event that is wanted.
    fn next(&self, turns: &[Turn]) -> Option<usize> {
        let events = &turns.get(self.turn)?.events;
        (self.event..events.len()).find(|place| self.wants(&events[*place], *place))
    }

    /// Reads once and checks it; says whether there was anything.
    fn read(&mut self, turns: &[Turn]) -> bool {
        match self.watcher.try_next() {
            None => {
                assert!(self.sealed.is_none());
                assert_eq!(self.next(turns), None, "there is more");
                assert!(turns.get(self.turn).is_none_or(|turn| !turn.over), "the turn is over");
                self.event = turns.get(self.turn).map_or(0, |turn| turn.events.len());
                false
            }
            Some(Heard::TurnOver) => {
                assert!(self.sealed.is_none());
                assert_eq!(self.next(turns), None, "there is more of the turn");
                assert!(turns[self.turn].over, "the turn goes on");
                (self.turn, self.event) = (self.turn + 1, 0);
                true
            }
            Some(Heard::Frame(frame)) => {
                match self.sealed.take() {
                    Some(after) => sealed(&frame, &after),
                    None => self.check(turns, &frame),
                }
                let position = frame.position();
                self.heard = Some(After { turn: position.turn, event_seq: position.event_seq });
                true
            }
        }
    }

    fn check(&mut self, turns: &[Turn], frame: &Frame) {
        let turn = &turns[self.turn];
        let first = self.next(turns).expect("nothing more was published");
        let position = frame.position();
        assert_eq!(position.turn, turn_id(self.turn));
        let mut expected = turn.events[first].json.clone();
        let mut last = first;
        if let Some(field) = turn.events[first].grows {
            while turn.events[last].event_seq < position.event_seq {
                last += 1;
                assert!(turn.events[last].continues(&turn.events[first]), "these do not go together");
                let more = turn.events[last].json[field].as_str().unwrap();
                let Value::String(text) = &mut expected[field] else { panic!() };
                text.push_str(more);
            }
            let text = serde_json::to_string(&expected[field]).unwrap();
            assert!(last == first || text.len() - 2 <= MERGED_BYTES, "too much in one frame");
        }
        let event = &turn.events[last];
        assert_eq!((position.event_seq, position.attempt), (event.event_seq, event.attempt));
        if self.cursor {
            let (seq, attempt) = (event.event_seq, event.attempt);
            expected["eventSeq"] = seq.into();
            let end = if event.json["type"] == "provider-retry" {
                format!(r#","eventSeq":{seq}}}"#)
            } else {
                expected["attempt"] = attempt.into();
                format!(r#","eventSeq":{seq},"attempt":{attempt}}}"#)
            };
            assert!(frame.event().ends_with(end.as_bytes()));
        }
        let heard: Value = serde_json::from_slice(&frame.event()).unwrap();
        assert!(heard == expected, "not what comes next");
        self.event = last + 1;
    }
}

/// A turn that is over is told with nothing but what it is.
fn sealed(frame: &Frame, after: &After) {
    let expected = json!({ "type": "turn-sealed", "conversationId": "c", "turnId": after.turn.as_str() });
    assert_eq!(serde_json::from_slice::<Value>(&frame.event()).unwrap(), expected);
    let position = frame.position();
    assert_eq!((position.turn, position.event_seq), (after.turn.clone(), after.event_seq));
}

struct World {
    hub: Arc<Hub>,
    turns: Vec<Turn>,
    watchers: Vec<Watched>,
}

impl World {
    fn in_flight(&self) -> bool {
        self.turns.last().is_some_and(|turn| !turn.over)
    }

    fn tip(&self) -> (usize, usize) {
        match self.turns.last() {
            Some(turn) if !turn.over => (self.turns.len() - 1, turn.events.len()),
            Some(_) | None => (self.turns.len(), 0),
        }
    }

    /// Publishes, one by one or together.
    fn publish(&mut self, all: &[Said], end: bool) {
        if !self.in_flight() {
            self.hub.begin(turn_id(self.turns.len()), 1);
            self.turns.push(Turn::default());
        }
        let number = self.turns.len() - 1;
        let turn = self.turns.last_mut().unwrap();
        let events: Vec<Recorded> = all.iter().map(|said| turn.say(number, said)).collect();
        if end {
            turn.over = true;
            self.hub.end(events);
        } else if all.len().is_multiple_of(2) {
            self.hub.publish(events);
        } else {
            events.into_iter().for_each(|event| self.hub.publish([event]));
        }
    }

    fn watch(&mut self, audience: Audience, cursor: bool, after: Option<After>) {
        let (in_flight, live_from) = (self.in_flight(), self.tip());
        let mut watched = Watched {
            watcher: self.hub.watch(Watch { audience, cursor, after: after.clone() }),
            audience,
            cursor,
            turn: live_from.0,
            event: 0,
            live_from,
            sealed: None,
            heard: after.clone(),
        };
        if let Some(after) = after {
            let named = (0..self.turns.len()).find(|turn| turn_id(*turn) == after.turn);
            // A turn is there as long as it runs, or somebody reads it or one before it.
            let oldest = self.watchers.iter().map(|watched| watched.turn).min();
            let last = self.turns.len() - usize::from(in_flight);
            match named.filter(|turn| *turn >= oldest.unwrap_or(usize::MAX).min(last)) {
                Some(turn) => {
                    watched.turn = turn;
                    let events = &self.turns[turn].events;
                    if after.event_seq <= self.turns[turn].count() {
                        watched.event = events.iter().take_while(|e| e.event_seq <= after.event_seq).count();
                    }
                }
                None => watched.sealed = Some(after),
            }
        }
        self.watchers.push(watched);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Publish(all) => self.publish(all, false),
            Step::End(all) => {
                if self.in_flight() {
                    self.publish(all, true);
                }
            }
            Step::Join(audience, cursor) => self.watch(*audience, *cursor, None),
            Step::Read(who, frames) => {
                if !self.watchers.is_empty() {
                    let watched = who.get_mut(&mut self.watchers);
                    let _ = (0..*frames).take_while(|_| watched.read(&self.turns)).count();
                }
            }
            Step::Leave(who) => {
                if !self.watchers.is_empty() {
                    self.watchers.swap_remove(who.index(self.watchers.len()));
                }
            }
            Step::Change(who, audience) => {
                if !self.watchers.is_empty() {
                    let watched = who.get_mut(&mut self.watchers);
                    watched.watcher.set_audience(*audience);
                    watched.audience = *audience;
                }
            }
            Step::Resume(audience, cursor, turn, event) => {
                // Turns that have not begun, and events that were not said, are among them.
                let turn = turn.index(self.turns.len() + 1);
                let count = self.turns.get(turn).map_or(0, Turn::count);
                let event_seq = event.index(count as usize + 3) as u64;
                // Mostly the last one: others are over soon.
                let turn = if turn % 2 == 0 { self.turns.len().saturating_sub(1) } else { turn };
                self.watch(*audience, *cursor, Some(After { turn: turn_id(turn), event_seq }));
            }
            Step::ComeBack(who) => {
                if !self.watchers.is_empty() {
                    let Watched { audience, cursor, heard, .. } =
                        self.watchers.swap_remove(who.index(self.watchers.len()));
                    self.watch(audience, cursor, heard);
                }
            }
        }
        let first = self.watchers.iter().any(|watched| watched.audience == Audience::FirstContract);
        assert_eq!(self.hub.watched_by_first_contract(), first);
        assert_eq!(self.hub.in_flight().is_some(), self.in_flight());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_frame_is_what_comes_next(
        limit in select(vec![0usize, 300, 5_000, 100_000, 1 << 20]),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let hub = Arc::new(Hub::new(ConversationId::new("c"), Spill { directory: None, limit }));
        let mut world = World { hub, turns: Vec::new(), watchers: Vec::new() };
        for step in &steps {
            world.step(step);
        }
        if world.in_flight() {
            world.publish(&[Said::Delta(0, "the end".to_owned())], true);
        }
        let World { hub, turns, mut watchers } = world;
        for watched in &mut watchers {
            while watched.read(&turns) {}
            prop_assert_eq!(watched.turn, turns.len());
        }
        prop_assert_eq!(hub.weight(), Weight { watchers: watchers.len(), ..Weight::default() });
    }

    /// Each event that there is, one after the other, however the memory is divided.
    #[test]
    fn one_can_go_on_after_any_event(
        limit in select(vec![0usize, 3_000, 1 << 20]),
        all in proptest::collection::vec(said(), 1..60),
    ) {
        let hub = Arc::new(Hub::new(ConversationId::new("c"), Spill { directory: None, limit }));
        let mut world = World { hub, turns: Vec::new(), watchers: Vec::new() };
        world.publish(&all, false);
        for event_seq in 0..=world.turns[0].count() {
            world.watch(Audience::Contract, event_seq % 2 == 0, Some(After { turn: turn_id(0), event_seq }));
            let watched = world.watchers.last_mut().unwrap();
            while watched.read(&world.turns) {}
            prop_assert_eq!(watched.next(&world.turns), None);
        }
    }
}
