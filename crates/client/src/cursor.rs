//! Follows the numbers of events, so that nothing is heard twice and nothing is missed unnoticed.

use wire::AgentEvent;

use crate::{Event, Heard};

/// Where one is in a conversation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    position: Option<Position>,
    /// Where the turn before that one was left.
    previous: Option<Position>,
}

/// The last event of which a number is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) id: String,
    pub(crate) turn: String,
    pub(crate) seq: u64,
    pub(crate) is_sealed: bool,
}

/// What an event means to whoever has seen those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It comes next.
    New,
    /// It was seen already.
    Old,
    /// It is the end of a turn of which something was missed.
    Late,
    /// It was seen already, and is all that the server knows to say about that turn: others can have come and gone since.
    Doubtful,
}

impl Cursor {
    /// After the event of that id; from the beginning, if it is none.
    pub(crate) fn after(id: &str) -> Self {
        let position = numbered(id).map(|(turn, seq)| Position {
            id: id.to_owned(),
            turn: turn.to_owned(),
            seq,
            is_sealed: false,
        });
        Self { position, previous: None }
    }

    pub(crate) fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    pub(crate) fn take(&mut self, event: &Event) -> Verdict {
        let turn = match &event.heard {
            Heard::Turn(known) => known.turn_id(),
            // It has the number of the event before it.
            Heard::Extension(_) => return Verdict::New,
            Heard::Unknown => None,
        };
        let is_sealed = matches!(&event.heard, Heard::Turn(AgentEvent::TurnSealed { .. }));
        let number = event.id.as_deref().and_then(numbered);
        let Some(turn) =
            number.map(|(turn, _)| turn).or(turn.filter(|_| is_sealed).map(|turn| turn.as_str()))
        else {
            return Verdict::New;
        };
        let before = self.position.as_ref().filter(|position| position.turn == turn);
        let is_of_previous = |previous: &Position| {
            before.is_none() && previous.turn == turn && number.is_some_and(|(_, seq)| seq <= previous.seq)
        };
        if self.previous.as_ref().is_some_and(is_of_previous) {
            return Verdict::Old;
        }
        // A server that does not have the turn on its stream any more says so without a number, or with the client's.
        let seq = number.map(|(_, seq)| seq);
        let is_past = match (seq, before) {
            (Some(seq), Some(before)) => seq <= before.seq,
            (Some(_), None) => false,
            (None, _) => true,
        };
        let taken = match (is_past, is_sealed) {
            (true, true) if before.is_some_and(|before| before.is_sealed) => Verdict::Doubtful,
            (true, true) => Verdict::Late,
            (true, false) if event.heard == Heard::Unknown && before.map(|before| before.seq) == seq => {
                return Verdict::New;
            }
            (true, false) => Verdict::Old,
            (false, _) => Verdict::New,
        };
        if matches!(taken, Verdict::New | Verdict::Late) {
            let seq = seq.or(before.map(|before| before.seq)).unwrap_or(0);
            let is_another = before.is_none();
            let position = Position { id: format!("{turn}:{seq}"), turn: turn.to_owned(), seq, is_sealed };
            let left = self.position.replace(position);
            if is_another {
                self.previous = left;
            }
        }
        taken
    }
}

/// The turn and the number of an event's id.
fn numbered(id: &str) -> Option<(&str, u64)> {
    let (turn, seq) = id.rsplit_once(':')?;
    Some((turn, seq.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, id: Option<&str>) -> Event {
        let turn = id.and_then(|id| id.split(':').next()).unwrap_or("t");
        let more = r#""delta":"a","attempt":1,"delayMs":5,"message":"no""#;
        let json = format!(r#"{{"type":"{kind}","conversationId":"c","turnId":"{turn}",{more}}}"#);
        let heard = match kind {
            "provider-retry" => Heard::Extension(serde_json::from_str(&json).unwrap()),
            "news" => Heard::Unknown,
            _ => Heard::Turn(serde_json::from_str(&json).unwrap()),
        };
        Event { json, heard, id: id.map(str::to_owned) }
    }

    fn taken(cursor: &mut Cursor, events: &[(&str, Option<&str>)]) -> Vec<Verdict> {
        events.iter().map(|(kind, id)| cursor.take(&event(kind, *id))).collect()
    }

    #[test]
    fn what_was_seen_is_not_seen_again() {
        let mut cursor = Cursor::default();
        let events = [
            ("text-delta", Some("t:1")),
            ("text-delta", Some("t:2")),
            ("text-delta", Some("t:1")),
            ("text-delta", Some("t:2")),
            ("turn-sealed", Some("t:3")),
            ("text-delta", Some("u:1")),
            ("turn-sealed", Some("t:3")),
        ];
        use Verdict::{New, Old};
        assert_eq!(taken(&mut cursor, &events), [New, New, Old, Old, New, New, Old]);
        assert_eq!(cursor.position().unwrap().id, "u:1");
    }

    #[test]
    fn a_turn_that_ended_unseen_is_told_with_the_clients_number_or_without_one() {
        for sealed in [Some("t:2"), None] {
            let mut cursor = Cursor::default();
            let events = [("text-delta", Some("t:2")), ("turn-sealed", sealed), ("turn-sealed", sealed)];
            assert_eq!(
                taken(&mut cursor, &events),
                [Verdict::New, Verdict::Late, Verdict::Doubtful],
                "{sealed:?}"
            );
        }
        assert_eq!(taken(&mut Cursor::default(), &[("turn-sealed", None)]), [Verdict::Late]);
        assert_eq!(taken(&mut Cursor::after("t:7"), &[("turn-sealed", Some("t:7"))]), [Verdict::Late]);
        assert_eq!(taken(&mut Cursor::after("nonsense"), &[("text-delta", Some("t:1"))]), [Verdict::New]);
    }

    #[test]
    fn what_is_beyond_the_contract_has_the_number_of_what_came_before_it() {
        let mut cursor = Cursor::default();
        let events = [
            ("text-delta", Some("t:2")),
            ("provider-retry", Some("t:2")),
            ("news", Some("t:2")),
            ("news", Some("t:1")),
        ];
        use Verdict::{New, Old};
        assert_eq!(taken(&mut cursor, &events), [New, New, New, Old]);
        assert_eq!(cursor.position().unwrap().id, "t:2");
    }
}
