//! What is kept for a conversation besides its turns, and what a compaction and a deletion do to it: on disk and in
//! memory.

use kernel::{Entry, LogOp, Message, Part};
use serde_json::json;
use store::{
    Attribute, BeginTurn, Begun, ClientMessage, Compaction, Conversation, Error, Filter, Global, Numbered,
    Recovery, Seal, Sealed, Setting, Store, Throughput, Window,
};
use wire::{Chunk, ConversationId, ConversationStatus, QueuedMessage, ReasoningEffort, Role, StepMetrics};

use crate::support::{
    World, append, begin, beginning, call, entry, grow, history, id, image, journal, list, numbered, queued,
    result, says, seal, sealing, shown, step, text, turn_id, window,
};

behaviours! {
    a_prompt_with_images_is_one_message
    a_start_seals_a_turn_that_began_with_images
    a_client_message_is_taken_in_once
    a_client_message_that_is_refused_is_not_known
    a_queued_client_message_is_known_until_a_turn_takes_it_in
    a_client_message_that_was_cancelled_stays_known
    a_compaction_replaces_what_was_said_before
    a_compaction_can_keep_nothing_or_everything
    an_archive_is_what_the_conversation_was
    a_compaction_leaves_everything_else_with_the_conversation
    a_compacted_conversation_goes_on
    a_start_seals_the_turn_of_a_compacted_conversation
    compactions_form_a_chain_that_nothing_breaks
    a_closed_conversation_stays_closed
    a_compaction_that_does_not_fit_changes_nothing
    an_archive_is_a_conversation
    a_conversation_comes_before_its_archive
    a_deleted_conversation_is_gone
    a_deleted_conversation_can_begin_anew
    a_conversation_with_an_open_turn_is_not_deleted
    archives_and_conversations_outlive_each_other
    the_last_text_is_that_of_the_last_answer
    the_last_text_moves_with_a_compaction
    throughput_is_counted_in_its_period_and_by_model
    throughput_outlives_compactions_and_deletions
    attributes_are_kept_until_they_are_taken_away
    globals_are_kept_until_they_are_taken_away
    unknown_conversations_have_nothing
}

/// A turn that says something, and calls a tool.
async fn whole_turn(store: &dyn Store, conversation: &str, turn: &str, at: u64) {
    let prompt = format!("prompt of {turn}");
    let Begun { next_seq: seq, message, .. } =
        store.begin_turn(beginning(conversation, turn, &prompt, at)).await.unwrap();
    let thinking = Entry {
        replay: Some(json!({ "signature": turn })),
        ..entry(seq, message + 1, Role::Assistant, Chunk::Thinking { text: "hm".to_owned() })
    };
    let ops = [
        LogOp::Append(thinking),
        says(seq + 1, message + 1, call(turn)),
        LogOp::Step(step(turn, 10, 5)),
        append(seq + 2, message + 2, Role::Tool, result(turn, "done", false)),
        says(seq + 3, message + 3, text(&format!("answer of {turn}"))),
    ];
    journal(store, conversation, turn, ops).await.unwrap();
    store.seal(sealing(conversation, turn, at + 1)).await.unwrap();
}

/// What [`whole_turn`] has in the history, from that seq on.
fn lines(turn: &str, seq: u64) -> [String; 5] {
    [
        format!("{seq} user \"prompt of {turn}\""),
        format!("{} assistant thinking \"hm\"", seq + 1),
        format!("{} assistant call {turn}", seq + 2),
        format!("{} tool result {turn} of step \"done\"", seq + 3),
        format!("{} assistant \"answer of {turn}\"", seq + 4),
    ]
}

/// The chunks of a whole turn, and its messages.
const CHUNKS: u64 = 5;
const MESSAGES: u64 = 4;

fn compaction(conversation: &str, archive: &str, (keep_from, last_seq): (Option<u64>, u64)) -> Compaction {
    Compaction {
        conversation: id(conversation),
        archive: id(archive),
        summary: format!("summary before {archive}"),
        keep_from,
        last_seq,
    }
}

/// Compacts a conversation, all but its last whole turn.
async fn compact(store: &dyn Store, conversation: &str, archive: &str) {
    let last_seq = known(store, conversation).await.last_seq;
    let messages = store.messages(&id(conversation), last_seq).await.unwrap();
    let keep_from = messages[messages.len() - usize::try_from(MESSAGES).unwrap()].number;
    store.compact(compaction(conversation, archive, (Some(keep_from), last_seq))).await.unwrap();
}

async fn known(store: &dyn Store, conversation: &str) -> Conversation {
    store.conversation(&id(conversation)).await.unwrap().unwrap()
}

async fn client_message(store: &dyn Store, conversation: &str, message: &str) -> Option<ClientMessage> {
    store.client_message(&id(conversation), message.to_owned()).await.unwrap()
}

fn some(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn delivered(turn: &str) -> Option<ClientMessage> {
    Some(ClientMessage::Delivered(turn_id(turn)))
}

fn named(conversation: &str, turn: &str, message: &str) -> BeginTurn {
    BeginTurn { client_message_id: some(message), ..beginning(conversation, turn, "Hello", 1) }
}

fn named_in_queue(message: &str, client_message: &str) -> QueuedMessage {
    QueuedMessage { client_message_id: some(client_message), ..queued(message, 1) }
}

async fn a_prompt_with_images_is_one_message(world: impl World) {
    let store = world.store();
    let begin = BeginTurn { images: vec![image("/one"), image("/two")], ..beginning("c", "t", "Look", 1) };
    assert_eq!(store.begin_turn(begin).await, Ok(Begun { seq: 1, next_seq: 4, message: 1 }));
    let too_early = journal(store, "c", "t", [says(3, 2, text("x"))]).await;
    assert!(matches!(too_early, Err(Error::Misfit(_))), "{too_early:?}");
    journal(store, "c", "t", [says(4, 2, text("I see"))]).await.unwrap();
    assert_eq!(seal(store, "c", "t").await, Ok(Sealed { last_seq: 4 }));
    assert_eq!(
        history(store, "c").await,
        ["1 user \"Look\"", "2 user image /one", "3 user image /two", "4 assistant \"I see\""]
    );
    let parts =
        vec![text("Look").into(), Chunk::Image(image("/one")).into(), Chunk::Image(image("/two")).into()];
    assert_eq!(
        store.messages(&id("c"), 4).await,
        Ok(numbered([
            Message { role: Role::User, parts },
            Message { role: Role::Assistant, parts: vec![text("I see").into()] }
        ]))
    );
}

async fn a_start_seals_a_turn_that_began_with_images(mut world: impl World) {
    let begin = |turn| BeginTurn { images: vec![image("/one")], ..beginning("c", turn, "Look", 1) };
    world.store().begin_turn(begin("t1")).await.unwrap();
    world.reopen();
    assert_eq!(world.store().begin_turn(begin("t2")).await, Ok(Begun { seq: 3, next_seq: 5, message: 2 }));
    journal(world.store(), "c", "t2", [grow(5, 3, "I s")]).await.unwrap();
    assert_eq!(world.reopen(), Recovery { turns: vec![(id("c"), turn_id("t2"))], synthesised_results: 0 });
    assert_eq!(
        history(world.store(), "c").await,
        [
            "1 user \"Look\"",
            "2 user image /one",
            "3 user \"Look\"",
            "4 user image /one",
            "5 assistant \"I s\""
        ]
    );
}

async fn a_client_message_is_taken_in_once(mut world: impl World) {
    let store = world.store();
    store.begin_turn(named("c", "t1", "m")).await.unwrap();
    assert_eq!(client_message(store, "c", "m").await, delivered("t1"));
    // The turn that runs is what is said first.
    assert_eq!(store.begin_turn(named("c", "t2", "m")).await, Err(Error::TurnOpen));
    assert_eq!(store.enqueue(&id("c"), named_in_queue("q", "m")).await, Err(Error::Repeated));
    assert_eq!(store.queue(&id("c")).await, Ok(vec![]));
    world.reopen();
    let store = world.store();
    let before = shown(store).await;
    assert_eq!(store.begin_turn(named("c", "t2", "m")).await, Err(Error::Repeated));
    assert_eq!(store.enqueue(&id("c"), named_in_queue("q", "m")).await, Err(Error::Repeated));
    assert_eq!(shown(store).await, before);
    // Another conversation has ids of its own.
    store.begin_turn(named("d", "t2", "m")).await.unwrap();
    assert_eq!(client_message(store, "c", "m").await, delivered("t1"));
    assert_eq!(client_message(store, "d", "m").await, delivered("t2"));
}

async fn a_client_message_that_is_refused_is_not_known(world: impl World) {
    let store = world.store();
    let carrying = BeginTurn { carries: vec!["gone".to_owned()], ..named("c", "t", "m") };
    let refused = store.begin_turn(carrying).await;
    assert!(matches!(refused, Err(Error::Misfit(_))), "{refused:?}");
    assert_eq!(client_message(store, "c", "m").await, None);
    store.enqueue(&id("c"), queued("q", 1)).await.unwrap();
    let refused = store.enqueue(&id("c"), named_in_queue("q", "m")).await;
    assert!(matches!(refused, Err(Error::Misfit(_))), "{refused:?}");
    assert_eq!(client_message(store, "c", "m").await, None);
    store.begin_turn(named("c", "t", "m")).await.unwrap();
}

async fn a_queued_client_message_is_known_until_a_turn_takes_it_in(mut world: impl World) {
    let store = world.store();
    let c = id("c");
    for (message, client_message) in [("q1", "m1"), ("q2", "m2"), ("q3", "m3")] {
        store.enqueue(&c, named_in_queue(message, client_message)).await.unwrap();
    }
    store.enqueue(&c, queued("q4", 1)).await.unwrap();
    let again = store.enqueue(&c, named_in_queue("q5", "m1")).await;
    assert_eq!(again, Err(Error::Repeated));
    assert_eq!(store.begin_turn(named("c", "t", "m1")).await, Err(Error::Repeated));
    assert_eq!(client_message(store, "c", "m1").await, Some(ClientMessage::Queued));
    world.reopen();
    let store = world.store();
    let all = vec![
        named_in_queue("q1", "m1"),
        named_in_queue("q2", "m2"),
        named_in_queue("q3", "m3"),
        queued("q4", 1),
    ];
    assert_eq!(store.queue(&c).await, Ok(all));

    let carries = vec!["q4".to_owned(), "q1".to_owned()];
    store.begin_turn(BeginTurn { carries, ..beginning("c", "t", "carried", 1) }).await.unwrap();
    let deliver = |messages: [&str; 2]| {
        let entry = entry(2, 2, Role::User, text("steering"));
        [LogOp::Deliver(entry, messages.map(str::to_owned).to_vec())]
    };
    journal(store, "c", "t", deliver(["q2", "gone"])).await.unwrap_err();
    assert_eq!(client_message(store, "c", "m2").await, Some(ClientMessage::Queued));
    journal(store, "c", "t", deliver(["q3", "q2"])).await.unwrap();
    for message in ["m1", "m2", "m3"] {
        assert_eq!(client_message(store, "c", message).await, delivered("t"), "{message}");
    }
    world.reopen();
    assert_eq!(client_message(world.store(), "c", "m3").await, delivered("t"));
    assert_eq!(world.store().begin_turn(named("c", "t2", "m3")).await, Err(Error::Repeated));
}

async fn a_client_message_that_was_cancelled_stays_known(world: impl World) {
    let store = world.store();
    store.enqueue(&id("c"), named_in_queue("q1", "m1")).await.unwrap();
    store.enqueue(&id("c"), named_in_queue("q2", "m2")).await.unwrap();
    let cancelled = store.dequeue(&id("c"), vec!["q1".to_owned()]).await;
    assert_eq!(cancelled, Ok(vec![named_in_queue("q1", "m1")]));
    store.close(&id("c")).await.unwrap();
    for message in ["m1", "m2"] {
        assert_eq!(client_message(store, "c", message).await, Some(ClientMessage::Queued));
        assert_eq!(store.begin_turn(named("c", "t", message)).await, Err(Error::Repeated));
    }
}

async fn a_compaction_replaces_what_was_said_before(mut world: impl World) {
    let store = world.store();
    for turn in ["t1", "t2", "t3"] {
        whole_turn(store, "c", turn, 1).await;
    }
    whole_turn(store, "neighbour", "t4", 1).await;
    let before = store.messages(&id("c"), u64::MAX).await.unwrap();
    let keep_from = MESSAGES + 1;
    store.compact(compaction("c", "a", (Some(keep_from), 3 * CHUNKS))).await.unwrap();

    for _ in 0..2 {
        let store = world.store();
        let summary = "1 system \"summary before a\"".to_owned();
        let kept = [lines("t2", 2), lines("t3", 2 + CHUNKS)].concat();
        assert_eq!(history(store, "c").await, [vec![summary], kept].concat());
        let newest = Window { before: Some(4), limit: Some(2), ..Window::default() };
        assert_eq!(window(store, "c", newest).await, lines("t2", 2)[..2]);
        let mut messages = vec![Numbered {
            number: 1,
            message: Message { role: Role::System, parts: vec![text("summary before a").into()] },
        }];
        let kept = before[4..].iter().zip(2..);
        messages.extend(kept.map(|(kept, number)| Numbered { number, message: kept.message.clone() }));
        assert_eq!(store.messages(&id("c"), u64::MAX).await, Ok(messages));
        assert_eq!(known(store, "c").await.last_seq, 1 + 2 * CHUNKS);
        assert_eq!(history(store, "neighbour").await, lines("t4", 1));
        world.reopen();
    }
    // What a provider wants back is kept with it.
    let part = &world.store().messages(&id("c"), u64::MAX).await.unwrap()[2].message.parts[0];
    let expected =
        Part { chunk: Chunk::Thinking { text: "hm".to_owned() }, replay: Some(json!({ "signature": "t2" })) };
    assert_eq!(*part, expected);
}

async fn a_compaction_can_keep_nothing_or_everything(world: impl World) {
    let store = world.store();
    for (conversation, keep_from) in [("nothing", None), ("everything", Some(1))] {
        whole_turn(store, conversation, conversation, 1).await;
        let archive = format!("a-{conversation}");
        store.compact(compaction(conversation, &archive, (keep_from, CHUNKS))).await.unwrap();
        assert_eq!(history(store, &archive).await, lines(conversation, 1));
    }
    assert_eq!(history(store, "nothing").await, ["1 system \"summary before a-nothing\""]);
    let summary = "1 system \"summary before a-everything\"".to_owned();
    assert_eq!(history(store, "everything").await, [vec![summary], lines("everything", 2).to_vec()].concat());
    assert_eq!(begin(store, "nothing", "t1").await, Begun { seq: 2, next_seq: 3, message: 2 });
    assert_eq!(begin(store, "everything", "t2").await, Begun { seq: 7, next_seq: 8, message: 6 });
    // A conversation without any message.
    store.set(&id("empty"), 1, Setting::Cwd(None)).await.unwrap();
    store.compact(compaction("empty", "a-empty", (None, 0))).await.unwrap();
    assert_eq!(history(store, "empty").await, ["1 system \"summary before a-empty\""]);
    assert_eq!(history(store, "a-empty").await, Vec::<String>::new());
}

async fn an_archive_is_what_the_conversation_was(world: impl World) {
    let store = world.store();
    store.set(&id("c"), 5, Setting::Title("Mine".to_owned())).await.unwrap();
    store.set(&id("c"), 5, Setting::Effort(ReasoningEffort::Low)).await.unwrap();
    store.set(&id("c"), 5, Setting::Cwd(some("/srv"))).await.unwrap();
    store.set(&id("c"), 5, Setting::Model(some("a/b"))).await.unwrap();
    whole_turn(store, "c", "t1", 6).await;
    whole_turn(store, "c", "t2", 8).await;
    let (before, was) = (history(store, "c").await, known(store, "c").await);
    let messages = store.messages(&id("c"), u64::MAX).await;
    compact(store, "c", "a").await;

    let mut archive = was.clone();
    archive.meta.id = id("a");
    archive.meta.title = "Archive: Mine".to_owned();
    archive.meta.status = ConversationStatus::Closed;
    assert_eq!(known(store, "a").await, archive);
    assert_eq!(history(store, "a").await, before);
    assert_eq!(store.messages(&id("a"), u64::MAX).await, messages);
    assert_eq!(store.metrics(&id("a")).await, Ok(vec![]));

    let mut conversation = was;
    conversation.meta.compacted_from = Some(id("a"));
    conversation.last_seq = 1 + CHUNKS;
    assert_eq!(known(store, "c").await, conversation);
}

async fn a_compaction_leaves_everything_else_with_the_conversation(world: impl World) {
    let store = world.store();
    let c = id("c");
    store.begin_turn(named("c", "t0", "m0")).await.unwrap();
    seal(store, "c", "t0").await.unwrap();
    whole_turn(store, "c", "t1", 1).await;
    store.enqueue(&c, named_in_queue("q", "m1")).await.unwrap();
    for attribute in Attribute::ALL {
        store.set_attribute(&c, 1, attribute, some(attribute.as_str())).await.unwrap();
    }
    let (metrics, queue) = (store.metrics(&c).await, store.queue(&c).await);
    assert_eq!(metrics.as_ref().unwrap().len(), 2);
    compact(store, "c", "a").await;
    assert_eq!(store.metrics(&c).await, metrics);
    assert_eq!(store.queue(&c).await, queue);
    assert_eq!(client_message(store, "c", "m0").await, delivered("t0"));
    assert_eq!(client_message(store, "c", "m1").await, Some(ClientMessage::Queued));
    assert_eq!(store.queue(&id("a")).await, Ok(vec![]));
    assert_eq!(client_message(store, "a", "m0").await, None);
    for attribute in Attribute::ALL {
        assert_eq!(store.attribute(&c, attribute).await, Ok(some(attribute.as_str())));
        assert_eq!(store.attribute(&id("a"), attribute).await, Ok(None));
    }
    assert_eq!(store.begin_turn(named("c", "t2", "m0")).await, Err(Error::Repeated));
    // The archive's messages are not the client's any more.
    store.begin_turn(named("a", "t2", "m0")).await.unwrap();
    let carries = vec!["q".to_owned()];
    store.begin_turn(BeginTurn { carries, ..beginning("c", "t3", "carried", 1) }).await.unwrap();
    assert_eq!(client_message(store, "c", "m1").await, delivered("t3"));
}

async fn a_compacted_conversation_goes_on(world: impl World) {
    let store = world.store();
    whole_turn(store, "c", "t1", 1).await;
    whole_turn(store, "c", "t2", 1).await;
    compact(store, "c", "a").await;
    let seq = 2 + CHUNKS;
    let next_seq = seq + 1;
    assert_eq!(begin(store, "c", "t3").await, Begun { seq, next_seq, message: 2 + MESSAGES });
    journal(store, "c", "t3", [grow(next_seq, 3 + MESSAGES, "More")]).await.unwrap();
    assert_eq!(history(store, "c").await.len() as u64, 1 + CHUNKS, "the open turn is hidden");
    assert_eq!(seal(store, "c", "t3").await, Ok(Sealed { last_seq: next_seq }));
    let tail = Window { since: seq - 1, ..Window::default() };
    assert_eq!(window(store, "c", tail).await, ["7 user \"Hello\"", "8 assistant \"More\""]);
    assert_eq!(history(store, "a").await, [lines("t1", 1), lines("t2", 1 + CHUNKS)].concat());
    assert_eq!(store.metrics(&id("c")).await.unwrap().len(), 3);
}

async fn a_start_seals_the_turn_of_a_compacted_conversation(mut world: impl World) {
    let store = world.store();
    whole_turn(store, "c", "t1", 1).await;
    // Growth of a chunk whose seq is beyond those after the compaction.
    begin(store, "c", "t2").await;
    journal(store, "c", "t2", [grow(7, 6, "old")]).await.unwrap();
    seal(store, "c", "t2").await.unwrap();
    store.compact(compaction("c", "a", (None, 7))).await.unwrap();
    begin(store, "c", "t3").await;
    journal(store, "c", "t3", [says(3, 3, call("x"))]).await.unwrap();
    journal(store, "c", "t3", [grow(4, 3, "so "), grow(4, 3, "far")]).await.unwrap();
    assert_eq!(world.reopen(), Recovery { turns: vec![(id("c"), turn_id("t3"))], synthesised_results: 1 });
    let store = world.store();
    assert_eq!(
        history(store, "c").await[..4],
        ["1 system \"summary before a\"", "2 user \"Hello\"", "3 assistant call x", "4 assistant \"so far\""]
    );
    assert_eq!(history(store, "a").await.last().unwrap(), "7 assistant \"old\"");
    assert_eq!(begin(store, "c", "t4").await, Begun { seq: 6, next_seq: 7, message: 5 });
}

async fn compactions_form_a_chain_that_nothing_breaks(mut world: impl World) {
    let store = world.store();
    let c = id("c");
    whole_turn(store, "c", "t1", 1).await;
    compact(store, "c", "a1").await;
    whole_turn(store, "c", "t2", 2).await;
    compact(store, "c", "a2").await;
    store.enqueue(&c, queued("q", 3)).await.unwrap();
    store.set(&c, 3, Setting::Title("New".to_owned())).await.unwrap();
    store.set_attribute(&c, 3, Attribute::Todos, some("[]")).await.unwrap();
    store.close(&c).await.unwrap();
    whole_turn(store, "c", "t3", 4).await;
    begin(store, "c", "t4").await;
    world.reopen();
    let store = world.store();
    assert_eq!(known(store, "c").await.meta.compacted_from, Some(id("a2")));
    assert_eq!(known(store, "a2").await.meta.compacted_from, Some(id("a1")));
    assert_eq!(known(store, "a1").await.meta.compacted_from, None);
    assert_eq!(history(store, "a1").await, lines("t1", 1));
    let second = [vec!["1 system \"summary before a1\"".to_owned()], lines("t1", 2).to_vec()].concat();
    assert_eq!(history(store, "a2").await, [second, lines("t2", 2 + CHUNKS).to_vec()].concat());
    let title = |title: &str| title.to_owned();
    assert_eq!(known(store, "a2").await.meta.title, title("Archive: prompt of t1"));
    assert_eq!(known(store, "c").await.meta.title, title("New"));
}

async fn a_closed_conversation_stays_closed(world: impl World) {
    let store = world.store();
    whole_turn(store, "c", "t1", 1).await;
    store.close(&id("c")).await.unwrap();
    compact(store, "c", "a").await;
    assert_eq!(known(store, "c").await.meta.status, ConversationStatus::Closed);
    begin(store, "c", "t2").await;
    seal(store, "c", "t2").await.unwrap();
    assert_eq!(known(store, "c").await.meta.status, ConversationStatus::Idle);
    assert_eq!(known(store, "a").await.meta.status, ConversationStatus::Closed);
}

async fn a_compaction_that_does_not_fit_changes_nothing(world: impl World) {
    let store = world.store();
    whole_turn(store, "c", "t1", 1).await;
    whole_turn(store, "taken", "t2", 1).await;
    let before = shown(store).await;
    let misfits = [
        ("an unknown conversation", compaction("unknown", "a", (None, 0))),
        ("an archive that exists", compaction("c", "taken", (None, CHUNKS))),
        ("an archive of the same id", compaction("c", "c", (None, CHUNKS))),
        ("a summary of less", compaction("c", "a", (None, CHUNKS - 1))),
        ("a summary of more", compaction("c", "a", (None, CHUNKS + 1))),
        ("no message 0", compaction("c", "a", (Some(0), CHUNKS))),
        ("no such message", compaction("c", "a", (Some(MESSAGES + 1), CHUNKS))),
    ];
    for (what, misfit) in misfits {
        let refused = store.compact(misfit).await;
        assert!(matches!(refused, Err(Error::Misfit(_))), "{what}: {refused:?}");
    }
    assert_eq!(shown(store).await, before);
    begin(store, "c", "t3").await;
    let open = shown(store).await;
    assert_eq!(store.compact(compaction("c", "a", (None, CHUNKS))).await, Err(Error::TurnOpen));
    assert_eq!(shown(store).await, open);
    assert_eq!(seal(store, "c", "t3").await, Ok(Sealed { last_seq: CHUNKS + 1 }));
}

async fn an_archive_is_a_conversation(world: impl World) {
    let store = world.store();
    whole_turn(store, "c", "t1", 1).await;
    whole_turn(store, "c", "t2", 1).await;
    compact(store, "c", "a").await;
    assert_eq!(begin(store, "a", "t3").await, Begun { seq: 11, next_seq: 12, message: 9 });
    seal(store, "a", "t3").await.unwrap();
    let continued = known(store, "a").await.meta;
    assert_eq!(
        (continued.status, continued.title.as_str()),
        (ConversationStatus::Idle, "Archive: prompt of t1")
    );
    assert_eq!(store.metrics(&id("a")).await.unwrap().len(), 1);
    store.compact(compaction("a", "aa", (Some(9), 11))).await.unwrap();
    assert_eq!(history(store, "a").await, ["1 system \"summary before aa\"", "2 user \"Hello\""]);
    assert_eq!(history(store, "aa").await.len(), 11);
    let meta = known(store, "aa").await.meta;
    assert_eq!((meta.title.as_str(), meta.compacted_from), ("Archive: Archive: prompt of t1", None));
    assert_eq!(known(store, "a").await.meta.compacted_from, Some(id("aa")));
    assert_eq!(known(store, "c").await.meta.compacted_from, Some(id("a")));
}

async fn a_conversation_comes_before_its_archive(world: impl World) {
    let store = world.store();
    for (conversation, turn) in [("c", "t1"), ("d", "t2")] {
        whole_turn(store, conversation, turn, 1).await;
        store.set_attribute(&id(conversation), 1, Attribute::Todos, some(conversation)).await.unwrap();
    }
    compact(store, "c", "a").await;
    let order = async || {
        let list = list(store, Filter::default()).await;
        list.into_iter().map(|meta| meta.id.to_string()).collect::<Vec<_>>()
    };
    // All were last active at the same time.
    assert_eq!(order().await, ["c", "d", "a"]);
    let kept = vec![(id("c"), "c".to_owned()), (id("d"), "d".to_owned())];
    assert_eq!(store.attributes(Attribute::Todos).await, Ok(kept));
    compact(store, "c", "a2").await;
    assert_eq!(order().await, ["c", "d", "a", "a2"]);
}

async fn a_deleted_conversation_is_gone(mut world: impl World) {
    let store = world.store();
    let c = id("c");
    whole_turn(store, "neighbour", "t0", 1).await;
    store.set_attribute(&id("neighbour"), 1, Attribute::Todos, some("[]")).await.unwrap();
    let before = shown(store).await;
    store.begin_turn(named("c", "t1", "m")).await.unwrap();
    journal(store, "c", "t1", [grow(2, 2, "x")]).await.unwrap();
    seal(store, "c", "t1").await.unwrap();
    store.enqueue(&c, named_in_queue("q", "m2")).await.unwrap();
    for attribute in Attribute::ALL {
        store.set_attribute(&c, 1, attribute, some("x")).await.unwrap();
    }
    assert_eq!(store.delete(&c).await, Ok(true));
    for _ in 0..2 {
        let store = world.store();
        assert_eq!(shown(store).await, before);
        assert_eq!(store.conversation(&c).await, Ok(None));
        assert_eq!(history(store, "c").await, Vec::<String>::new());
        assert_eq!(store.messages(&c, u64::MAX).await, Ok(vec![]));
        assert_eq!(store.metrics(&c).await, Ok(vec![]));
        assert_eq!(store.queue(&c).await, Ok(vec![]));
        assert_eq!(store.last_text(&c).await, Ok(None));
        assert_eq!(client_message(store, "c", "m").await, None);
        for attribute in Attribute::ALL {
            assert_eq!(store.attribute(&c, attribute).await, Ok(None));
        }
        assert_eq!(store.delete(&c).await, Ok(false));
        world.reopen();
    }
}

async fn a_deleted_conversation_can_begin_anew(mut world: impl World) {
    let store = world.store();
    store.begin_turn(named("c", "t1", "m")).await.unwrap();
    let ops = (2..500).map(|seq| says(seq, 2, text("x"))).collect::<Vec<_>>();
    journal(store, "c", "t1", ops).await.unwrap();
    journal(store, "c", "t1", [grow(500, 2, "old")]).await.unwrap();
    seal(store, "c", "t1").await.unwrap();
    store.enqueue(&id("c"), named_in_queue("q", "m2")).await.unwrap();
    // Asked for at once, so that what is left of the first has hardly been removed.
    let deleted = store.delete(&id("c"));
    let begun = store.begin_turn(named("c", "t2", "m"));
    assert_eq!((deleted.await, begun.await), (Ok(true), Ok(Begun { seq: 1, next_seq: 2, message: 1 })));
    assert_eq!(store.queue(&id("c")).await, Ok(vec![]));
    journal(store, "c", "t2", [grow(2, 2, "new")]).await.unwrap();
    world.reopen();
    let store = world.store();
    assert_eq!(history(store, "c").await, ["1 user \"Hello\"", "2 assistant \"new\""]);
    assert_eq!(client_message(store, "c", "m").await, delivered("t2"));
    assert_eq!(store.metrics(&id("c")).await.unwrap().len(), 1);
    // Its turns' ids are still taken: what they used is kept.
    let again = store.begin_turn(beginning("c", "t1", "Hello", 1)).await;
    assert!(matches!(again, Err(Error::Misfit(_))), "{again:?}");
}

async fn a_conversation_with_an_open_turn_is_not_deleted(world: impl World) {
    let store = world.store();
    begin(store, "c", "t").await;
    store.enqueue(&id("c"), queued("q", 1)).await.unwrap();
    let before = shown(store).await;
    assert_eq!(store.delete(&id("c")).await, Err(Error::TurnOpen));
    assert_eq!(shown(store).await, before);
    journal(store, "c", "t", [says(2, 2, text("still here"))]).await.unwrap();
    seal(store, "c", "t").await.unwrap();
    assert_eq!(store.delete(&id("c")).await, Ok(true));
    assert_eq!(journal(store, "c", "t", [grow(2, 2, "x")]).await, Err(Error::NotOpen("t".to_owned())));
    assert_eq!(seal(store, "c", "t").await, Err(Error::NotOpen("t".to_owned())));
    assert_eq!(list(store, Filter::default()).await, vec![]);
}

async fn archives_and_conversations_outlive_each_other(mut world: impl World) {
    let store = world.store();
    for (conversation, turn) in [("c", "t1"), ("d", "t2")] {
        whole_turn(store, conversation, turn, 1).await;
        compact(store, conversation, &format!("a-{conversation}")).await;
    }
    assert_eq!(store.delete(&id("a-c")).await, Ok(true));
    assert_eq!(store.delete(&id("d")).await, Ok(true));
    for _ in 0..2 {
        let store = world.store();
        let summary = "1 system \"summary before a-c\"".to_owned();
        assert_eq!(history(store, "c").await, [vec![summary], lines("t1", 2).to_vec()].concat());
        assert_eq!(store.metrics(&id("c")).await.unwrap().len(), 1);
        assert_eq!(history(store, "a-d").await, lines("t2", 1));
        assert_eq!(store.conversation(&id("d")).await, Ok(None));
        assert_eq!(store.conversation(&id("a-c")).await, Ok(None));
        world.reopen();
    }
    // Their ids are free, their numbers are not.
    whole_turn(world.store(), "a-c", "t3", 1).await;
    whole_turn(world.store(), "d", "t4", 1).await;
    assert_eq!(history(world.store(), "a-c").await, lines("t3", 1));
    assert_eq!(history(world.store(), "d").await, lines("t4", 1));
    assert_eq!(history(world.store(), "a-d").await, lines("t2", 1));
}

async fn the_last_text_is_that_of_the_last_answer(mut world: impl World) {
    let store = world.store();
    let turn = async |turn: &str, ops: Vec<LogOp>| {
        begin(store, "c", turn).await;
        journal(store, "c", turn, ops).await.unwrap();
        seal(store, "c", turn).await.unwrap();
        store.last_text(&id("c")).await.unwrap()
    };
    assert_eq!(turn("nothing is said", vec![]).await, None);
    let ops = vec![
        says(3, 3, text("one")),
        says(4, 3, text("two")),
        says(5, 3, call("a")),
        append(6, 4, Role::Tool, result("a", "done", false)),
        append(7, 5, Role::User, text("steering")),
    ];
    assert_eq!(turn("text before a call", ops).await, some("two"));
    // No answer: the last one is that of the turn before.
    assert_eq!(turn("no answer", vec![]).await, some("two"));
    let ops = vec![
        says(10, 8, text("not the last message")),
        says(11, 9, call("b")),
        append(12, 10, Role::Tool, result("b", "done", false)),
    ];
    assert_eq!(turn("a call only", ops).await, None);
    let growing = vec![says(14, 12, Chunk::Thinking { text: "hm".to_owned() }), grow(15, 12, "gro")];
    begin(store, "c", "open").await;
    journal(store, "c", "open", growing).await.unwrap();
    assert_eq!(store.last_text(&id("c")).await, Ok(None), "an open turn is not shown");
    journal(store, "c", "open", [grow(15, 12, "wn")]).await.unwrap();
    world.reopen();
    let store = world.store();
    assert_eq!(store.last_text(&id("c")).await, Ok(some("grown")));
    begin(store, "c", "empty").await;
    journal(store, "c", "empty", [says(17, 14, text("full")), says(18, 14, text(""))]).await.unwrap();
    seal(store, "c", "empty").await.unwrap();
    assert_eq!(store.last_text(&id("c")).await, Ok(some("")));
    begin(store, "c", "thinking").await;
    let thinking =
        kernel::Growth { seq: 20, message: 16, kind: kernel::TextKind::Thinking, delta: "hm".to_owned() };
    journal(store, "c", "thinking", [LogOp::Grow(thinking)]).await.unwrap();
    seal(store, "c", "thinking").await.unwrap();
    assert_eq!(store.last_text(&id("c")).await, Ok(None));
}

async fn the_last_text_moves_with_a_compaction(world: impl World) {
    let store = world.store();
    whole_turn(store, "c", "t1", 1).await;
    whole_turn(store, "c", "t2", 1).await;
    compact(store, "c", "a").await;
    assert_eq!(store.last_text(&id("c")).await, Ok(some("answer of t2")));
    assert_eq!(store.last_text(&id("a")).await, Ok(some("answer of t2")));
    whole_turn(store, "c", "t3", 1).await;
    assert_eq!(store.last_text(&id("c")).await, Ok(some("answer of t3")));
    assert_eq!(store.last_text(&id("a")).await, Ok(some("answer of t2")));
    // The summary is not an answer.
    let last_seq = known(store, "c").await.last_seq;
    store.compact(compaction("c", "a2", (None, last_seq))).await.unwrap();
    assert_eq!(store.last_text(&id("c")).await, Ok(None));
    assert_eq!(store.last_text(&id("a2")).await, Ok(some("answer of t3")));
}

async fn throughput_is_counted_in_its_period_and_by_model(world: impl World) {
    let store = world.store();
    let turn = async |turn: &str, model: Option<&str>, sealed_at: u64, steps: Vec<StepMetrics>| {
        let begin = BeginTurn { model: model.map(str::to_owned), ..beginning(turn, turn, "Hello", 0) };
        store.begin_turn(begin).await.unwrap();
        journal(store, turn, turn, steps.into_iter().map(LogOp::Step).collect::<Vec<_>>()).await.unwrap();
        store.seal(sealing(turn, turn, sealed_at)).await.unwrap();
    };
    let took = |name: &str, output_tokens, gen_total_ms| StepMetrics {
        gen_total_ms,
        ..step(name, 1000, output_tokens)
    };
    turn("before", Some("a/b"), 99, vec![took("s", 1, Some(1))]).await;
    turn(
        "first",
        Some("a/b"),
        100,
        vec![took("s1", 2, Some(10)), took("s2", 3, None), took("s3", 4, Some(20))],
    )
    .await;
    turn("last", Some("a/b"), 199, vec![took("s", 100, Some(300))]).await;
    turn("after", Some("a/b"), 200, vec![took("s", 1, Some(1))]).await;
    turn("other", Some("a/B"), 150, vec![took("s", 7, Some(8))]).await;
    turn("no time", Some("a/none"), 150, vec![took("s", 7, None)]).await;
    turn("no time at all", Some("a/none"), 150, vec![took("s", 7, Some(0))]).await;
    turn("no steps", Some("a/none"), 150, vec![]).await;
    turn("no model", None, 150, vec![took("s", 7, Some(8))]).await;
    let nobody_chose =
        BeginTurn { answered_by: some("d/default"), ..beginning("nobody", "nobody", "Hello", 0) };
    store.begin_turn(nobody_chose).await.unwrap();
    journal(store, "nobody", "nobody", vec![LogOp::Step(took("s", 5, Some(6)))]).await.unwrap();
    store.seal(sealing("nobody", "nobody", 150)).await.unwrap();
    let of = |model: &str, output_tokens, gen_ms, turns| Throughput {
        model: model.to_owned(),
        output_tokens,
        gen_ms,
        turns,
    };
    let chosen_for = of("d/default", 5, 6, 1);
    assert_eq!(
        store.throughput(100, 200).await,
        Ok(vec![of("a/B", 7, 8, 1), of("a/b", 109, 330, 2), chosen_for.clone()])
    );
    assert_eq!(store.throughput(0, 100).await, Ok(vec![of("a/b", 1, 1, 1)]));
    let all = Ok(vec![of("a/B", 7, 8, 1), of("a/b", 111, 332, 4), chosen_for]);
    assert_eq!(store.throughput(0, u64::MAX).await, all);
    assert_eq!(store.throughput(200, 100).await, Ok(vec![]));
    assert_eq!(store.throughput(201, u64::MAX).await, Ok(vec![]));
    // The next turn of a conversation keeps its model, and one that is open is not counted.
    begin(store, "other", "t2").await;
    journal(store, "other", "t2", [LogOp::Step(took("s", 1, Some(2)))]).await.unwrap();
    assert_eq!(store.throughput(0, u64::MAX).await, all);
    store.seal(Seal { reason: "aborted".to_owned(), ..sealing("other", "t2", 300) }).await.unwrap();
    assert_eq!(store.throughput(300, 301).await, Ok(vec![of("a/B", 1, 2, 1)]));
}

async fn throughput_outlives_compactions_and_deletions(mut world: impl World) {
    let store = world.store();
    store.set(&id("c"), 1, Setting::Model(some("a/b"))).await.unwrap();
    whole_turn(store, "c", "t1", 10).await;
    whole_turn(store, "c", "t2", 20).await;
    let before = store.throughput(0, 100).await.unwrap();
    let sum = Throughput { model: "a/b".to_owned(), output_tokens: 10, gen_ms: 6, turns: 2 };
    assert_eq!(before, std::slice::from_ref(&sum));
    compact(store, "c", "a").await;
    assert_eq!(store.throughput(0, 100).await.unwrap(), before);
    store.delete(&id("c")).await.unwrap();
    store.delete(&id("a")).await.unwrap();
    assert_eq!(list(store, Filter::default()).await, vec![]);
    assert_eq!(store.throughput(0, 100).await.unwrap(), before);
    world.reopen();
    assert_eq!(world.store().throughput(0, 100).await.unwrap(), before);
    // A new conversation with that id is not what the old turns belong to.
    world.store().set(&id("c"), 1, Setting::Model(some("a/b"))).await.unwrap();
    assert_eq!(world.store().metrics(&id("c")).await, Ok(vec![]));
    whole_turn(world.store(), "c", "t3", 30).await;
    let sum = Throughput { output_tokens: 15, gen_ms: 9, turns: 3, ..sum };
    assert_eq!(world.store().throughput(0, 100).await, Ok(vec![sum]));
}

async fn attributes_are_kept_until_they_are_taken_away(mut world: impl World) {
    let store = world.store();
    let c = id("c");
    store.set_attribute(&c, 5, Attribute::Todos, None).await.unwrap();
    assert_eq!(store.conversation(&c).await, Ok(None), "nothing is kept, so nothing is created");
    store.set_attribute(&c, 5, Attribute::CompactPercent, some("85")).await.unwrap();
    store.set_attribute(&c, 6, Attribute::CompactPercent, some("")).await.unwrap();
    store.set_attribute(&c, 6, Attribute::SystemPrompt, some("\"é\"\n")).await.unwrap();
    store.set_attribute(&id("b"), 7, Attribute::CompactPercent, some("0")).await.unwrap();
    let created = known(store, "c").await.meta;
    assert_eq!((created.created_at, created.last_activity_at, created.title.as_str()), (5, 5, "Untitled"));
    world.reopen();
    let store = world.store();
    assert_eq!(store.attribute(&c, Attribute::CompactPercent).await, Ok(some("")));
    assert_eq!(store.attribute(&c, Attribute::SystemPrompt).await, Ok(some("\"é\"\n")));
    assert_eq!(store.attribute(&c, Attribute::Todos).await, Ok(None));
    let all = vec![(c.clone(), String::new()), (id("b"), "0".to_owned())];
    assert_eq!(store.attributes(Attribute::CompactPercent).await, Ok(all));
    store.set_attribute(&c, 8, Attribute::CompactPercent, None).await.unwrap();
    store.set_attribute(&c, 8, Attribute::CompactPercent, None).await.unwrap();
    assert_eq!(store.attribute(&c, Attribute::CompactPercent).await, Ok(None));
    let rest = vec![(id("b"), "0".to_owned())];
    assert_eq!(store.attributes(Attribute::CompactPercent).await, Ok(rest));
    assert_eq!(store.attributes(Attribute::Todos).await, Ok(vec![]));
    assert_eq!(known(store, "c").await.meta, created);
}

async fn globals_are_kept_until_they_are_taken_away(mut world: impl World) {
    let store = world.store();
    assert_eq!(store.global(Global::SystemPrompt).await, Ok(None));
    store.set_global(Global::SystemPrompt, None).await.unwrap();
    store.set_global(Global::SystemPrompt, some("one")).await.unwrap();
    store.set_global(Global::SystemPrompt, some("two")).await.unwrap();
    world.reopen();
    let store = world.store();
    assert_eq!(store.global(Global::SystemPrompt).await, Ok(some("two")));
    store.set_global(Global::SystemPrompt, None).await.unwrap();
    assert_eq!(store.global(Global::SystemPrompt).await, Ok(None));
}

async fn unknown_conversations_have_nothing(world: impl World) {
    let store = world.store();
    let unknown: ConversationId = id("unknown");
    assert_eq!(store.delete(&unknown).await, Ok(false));
    assert_eq!(store.last_text(&unknown).await, Ok(None));
    assert_eq!(client_message(store, "unknown", "m").await, None);
    assert_eq!(store.attribute(&unknown, Attribute::Todos).await, Ok(None));
    assert_eq!(store.attributes(Attribute::Todos).await, Ok(vec![]));
    assert_eq!(store.throughput(0, u64::MAX).await, Ok(vec![]));
    assert_eq!(list(store, Filter::default()).await, vec![]);
}
