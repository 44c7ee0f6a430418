//! Every behaviour of the contract, on disk and in memory.

use kernel::{Entry, Growth, INTERRUPTED, LogOp, Message, Part, TextKind};
use serde_json::json;
use store::{
    BeginTurn, Begun, Compaction, Conversation, Error, Filter, Recovery, Seal, Sealed, SealedTurn, Setting,
    Window,
};
use wire::extension::{StoredChunkExtras, TurnMetricsExtras};
use wire::{
    Chunk, ConversationId, ConversationMeta, ConversationStatus, ReasoningEffort, Role, StepMetrics,
    TurnMetrics, Usage,
};

use crate::support::{
    World, append, begin, beginning, call, entry, grow, history, id, journal, list, numbered, queued, result,
    says, seal, sealing, shown, step, text, turn_id, window,
};

behaviours! {
    a_turn_is_hidden_until_it_is_sealed
    numbers_go_on_from_turn_to_turn
    an_open_chunk_becomes_what_is_appended
    a_seal_closes_what_is_open
    a_start_seals_what_was_left_open
    a_start_keeps_the_text_of_a_chunk_that_was_open
    a_start_without_open_turns_changes_nothing
    a_write_that_does_not_fit_changes_nothing
    a_step_is_counted_once
    one_turn_at_a_time
    only_the_open_turn_is_written
    a_turn_id_is_used_once
    the_queue_keeps_its_order
    a_queue_outlives_a_restart
    a_delivered_message_leaves_the_queue
    a_carried_message_leaves_the_queue
    closing_hides_and_the_next_turn_brings_back
    reopening_takes_a_close_back_and_nothing_else
    closing_does_not_end_a_turn
    a_title_comes_from_the_first_text
    a_title_that_was_set_stays
    settings_make_a_conversation_but_no_activity
    a_turn_keeps_its_model_and_directory
    the_list_is_by_activity
    the_list_is_filtered_by_status
    an_id_prefix_is_compared_byte_by_byte
    a_window_is_cut_from_the_end
    messages_are_grouped_by_their_number
    metrics_are_sums_of_steps
    a_chunk_keeps_its_turn_and_what_people_are_shown_of_it
    a_turn_keeps_when_it_began_why_it_ended_and_who_answered
    writes_take_effect_in_the_order_of_the_calls
    a_write_happens_even_if_nobody_waits
    unknown_conversations_are_empty
}

async fn a_turn_is_hidden_until_it_is_sealed(world: impl World) {
    let store = world.store();
    assert_eq!(begin(store, "c", "t1").await, Begun { seq: 1, next_seq: 2, message: 1 });
    journal(store, "c", "t1", [says(2, 2, text("Hi")), LogOp::Step(step("s", 10, 20))]).await.unwrap();

    assert_eq!(history(store, "c").await, Vec::<String>::new());
    assert_eq!(store.messages(&id("c"), u64::MAX).await.unwrap(), vec![]);
    assert_eq!(store.metrics(&id("c")).await.unwrap(), vec![]);
    let active = store.conversation(&id("c")).await.unwrap().unwrap();
    assert_eq!((active.meta.status, active.last_seq), (ConversationStatus::Active, 0));

    assert_eq!(seal(store, "c", "t1").await, Ok(Sealed { last_seq: 2 }));
    assert_eq!(history(store, "c").await, ["1 user \"Hello\"", "2 assistant \"Hi\""]);
    assert_eq!(
        store.messages(&id("c"), u64::MAX).await.unwrap(),
        numbered([Message::user("Hello"), Message { role: Role::Assistant, parts: vec![text("Hi").into()] }])
    );
    let idle = store.conversation(&id("c")).await.unwrap().unwrap();
    assert_eq!((idle.meta.status, idle.last_seq), (ConversationStatus::Idle, 2));
}

async fn numbers_go_on_from_turn_to_turn(world: impl World) {
    let store = world.store();
    begin(store, "c", "t1").await;
    journal(store, "c", "t1", [says(2, 2, text("a")), says(3, 2, text("b"))]).await.unwrap();
    seal(store, "c", "t1").await.unwrap();
    assert_eq!(begin(store, "c", "t2").await, Begun { seq: 4, next_seq: 5, message: 3 });
    assert_eq!(seal(store, "c", "t2").await, Ok(Sealed { last_seq: 4 }));
    assert_eq!(begin(store, "c", "t3").await, Begun { seq: 5, next_seq: 6, message: 4 });
    assert_eq!(begin(store, "d", "t4").await, Begun { seq: 1, next_seq: 2, message: 1 });
}

async fn an_open_chunk_becomes_what_is_appended(world: impl World) {
    let store = world.store();
    begin(store, "c", "t").await;
    journal(store, "c", "t", [grow(2, 2, "He"), grow(2, 2, "llo")]).await.unwrap();
    journal(store, "c", "t", [grow(2, 2, " there")]).await.unwrap();
    let complete = Entry {
        replay: Some(json!({ "signature": 1 })),
        ..entry(2, 2, Role::Assistant, text("Hello there"))
    };
    journal(store, "c", "t", [LogOp::Append(complete), grow(3, 2, "Bye"), says(3, 2, text("Bye"))])
        .await
        .unwrap();
    seal(store, "c", "t").await.unwrap();
    assert_eq!(
        history(store, "c").await,
        ["1 user \"Hello\"", "2 assistant \"Hello there\"", "3 assistant \"Bye\""]
    );
}

async fn a_seal_closes_what_is_open(world: impl World) {
    let store = world.store();
    begin(store, "c", "t").await;
    journal(store, "c", "t", [says(2, 2, call("a")), says(3, 2, call("b")), says(4, 2, call("d"))])
        .await
        .unwrap();
    journal(store, "c", "t", [append(5, 3, Role::Tool, result("b", "done", false))]).await.unwrap();
    let thought = Growth { seq: 6, message: 4, kind: TextKind::Thinking, delta: "hm".to_owned() };
    journal(store, "c", "t", [LogOp::Grow(thought.clone())]).await.unwrap();
    journal(store, "c", "t", [LogOp::Grow(thought)]).await.unwrap();
    assert_eq!(seal(store, "c", "t").await, Ok(Sealed { last_seq: 8 }));
    assert_eq!(
        history(store, "c").await,
        [
            "1 user \"Hello\"".to_owned(),
            "2 assistant call a".to_owned(),
            "3 assistant call b".to_owned(),
            "4 assistant call d".to_owned(),
            "5 tool result b of step \"done\"".to_owned(),
            "6 assistant thinking \"hmhm\"".to_owned(),
            format!("7 tool result a of step error {INTERRUPTED:?}"),
            format!("8 tool result d of step error {INTERRUPTED:?}"),
        ]
    );
    assert_eq!(store.messages(&id("c"), u64::MAX).await.unwrap().len(), 6);
    assert_eq!(begin(store, "c", "t2").await, Begun { seq: 9, next_seq: 10, message: 7 });
}

async fn a_start_seals_what_was_left_open(mut world: impl World) {
    let store = world.store();
    begin(store, "whole", "t1").await;
    seal(store, "whole", "t1").await.unwrap();
    store.begin_turn(beginning("open", "t2", "Hello", 50)).await.unwrap();
    let ops = [
        says(2, 2, call("a")),
        LogOp::Step(step("s0", 10, 5)),
        append(3, 3, Role::Tool, result("a", "done", false)),
        says(4, 4, call("b")),
        says(5, 4, call("d")),
        LogOp::Step(step("s1", 0, 0)),
    ];
    journal(store, "open", "t2", ops).await.unwrap();
    begin(store, "later", "t3").await;

    assert_eq!(
        world.reopen(),
        Recovery {
            turns: vec![(id("open"), turn_id("t2")), (id("later"), turn_id("t3"))],
            synthesised_results: 2
        }
    );
    let store = world.store();
    let interrupted = format!("{INTERRUPTED:?}");
    assert_eq!(
        history(store, "open").await,
        [
            "1 user \"Hello\"".to_owned(),
            "2 assistant call a".to_owned(),
            "3 tool result a of step \"done\"".to_owned(),
            "4 assistant call b".to_owned(),
            "5 assistant call d".to_owned(),
            format!("6 tool result b of step error {interrupted}"),
            format!("7 tool result d of step error {interrupted}"),
        ]
    );
    assert_eq!(
        store.metrics(&id("open")).await.unwrap(),
        vec![SealedTurn {
            metrics: TurnMetrics {
                turn_id: turn_id("t2"),
                usage: Usage { input_tokens: 10, output_tokens: 5, ..Usage::default() },
                duration_ms: None,
                steps: vec![step("s0", 10, 5), step("s1", 0, 0)],
                context_size: Some(15),
            },
            extras: TurnMetricsExtras {
                started_at: Some(50),
                reason: Some("interrupted".to_owned()),
                model: None,
            },
        }]
    );
    let open = store.conversation(&id("open")).await.unwrap().unwrap();
    assert_eq!((open.meta.status, open.meta.last_activity_at), (ConversationStatus::Idle, 50));
    assert_eq!(begin(store, "open", "t4").await, Begun { seq: 8, next_seq: 9, message: 7 });
    assert_eq!(history(store, "whole").await, ["1 user \"Hello\""]);
}

async fn a_start_keeps_the_text_of_a_chunk_that_was_open(mut world: impl World) {
    let store = world.store();
    begin(store, "c", "t").await;
    journal(store, "c", "t", [grow(2, 2, "first"), says(2, 2, text("first"))]).await.unwrap();
    for delta in ["half ", "a ", "sentence"] {
        journal(store, "c", "t", [grow(3, 2, delta)]).await.unwrap();
    }
    world.reopen();
    assert_eq!(
        history(world.store(), "c").await,
        ["1 user \"Hello\"", "2 assistant \"first\"", "3 assistant \"half a sentence\""]
    );
}

async fn a_start_without_open_turns_changes_nothing(mut world: impl World) {
    let store = world.store();
    begin(store, "c", "t").await;
    journal(store, "c", "t", [grow(2, 2, "x"), says(2, 2, text("x"))]).await.unwrap();
    seal(store, "c", "t").await.unwrap();
    store.enqueue(&id("c"), queued("m", 3)).await.unwrap();
    store.set(&id("c"), 4, Setting::Title("Title".to_owned())).await.unwrap();
    let before = shown(store).await;
    assert_eq!(world.reopen(), Recovery::default());
    assert_eq!(shown(world.store()).await, before);
}

async fn a_write_that_does_not_fit_changes_nothing(world: impl World) {
    let store = world.store();
    begin(store, "c", "t").await;
    let so_far =
        [says(2, 2, call("a")), append(3, 3, Role::Tool, result("a", "done", false)), says(4, 4, call("b"))];
    journal(store, "c", "t", so_far).await.unwrap();
    let misfits: Vec<(&str, LogOp)> = vec![
        ("a seq that was used", says(4, 4, text("x"))),
        ("a seq that leaves a gap", says(6, 4, text("x"))),
        ("growth of a seq that was used", grow(4, 4, "x")),
        ("growth that leaves a gap", grow(6, 4, "x")),
        ("a message that is over", append(5, 3, Role::Tool, text("x"))),
        ("a message that leaves a gap", says(5, 6, text("x"))),
        ("a second role in a message", append(5, 4, Role::User, text("x"))),
        ("a second call of that id", says(5, 4, call("b"))),
        ("a call that was answered", says(5, 4, call("a"))),
        ("a second result", append(5, 5, Role::Tool, result("a", "again", false))),
        ("a result without a call", append(5, 5, Role::Tool, result("z", "?", false))),
        (
            "a delivery of what is not queued",
            LogOp::Deliver(entry(5, 5, Role::User, text("x")), vec!["m".to_owned()]),
        ),
    ];
    for (what, misfit) in misfits {
        // Alone, and after something that fits.
        for ops in [vec![misfit.clone()], vec![LogOp::Step(step(what, 1, 1)), misfit]] {
            let refused = journal(store, "c", "t", ops).await;
            assert!(matches!(refused, Err(Error::Misfit(_))), "{what}: {refused:?}");
        }
    }
    journal(store, "c", "t", [grow(5, 4, "open")]).await.unwrap();
    let thought = Growth { seq: 5, message: 4, kind: TextKind::Thinking, delta: "x".to_owned() };
    let misfits_while_open: Vec<(&str, LogOp)> = vec![
        ("the next chunk", says(6, 4, text("x"))),
        ("growth of the next chunk", grow(6, 4, "x")),
        ("another kind of growth", LogOp::Grow(thought)),
        ("another kind of chunk", says(5, 4, call("f"))),
        ("another message", says(5, 5, text("open"))),
        ("another role", append(5, 4, Role::User, text("open"))),
    ];
    for (what, misfit) in misfits_while_open {
        let refused = journal(store, "c", "t", [misfit]).await;
        assert!(matches!(refused, Err(Error::Misfit(_))), "{what}: {refused:?}");
    }
    let rest = [says(5, 4, text("open")), append(6, 5, Role::Tool, result("b", "done", false))];
    journal(store, "c", "t", rest).await.unwrap();
    seal(store, "c", "t").await.unwrap();
    assert_eq!(
        history(store, "c").await,
        [
            "1 user \"Hello\"",
            "2 assistant call a",
            "3 tool result a of step \"done\"",
            "4 assistant call b",
            "5 assistant \"open\"",
            "6 tool result b of step \"done\"",
        ]
    );
    assert_eq!(store.metrics(&id("c")).await.unwrap()[0].metrics.steps, vec![]);
}

async fn a_step_is_counted_once(world: impl World) {
    let store = world.store();
    begin(store, "c", "t").await;
    journal(store, "c", "t", [LogOp::Step(step("s0", 1, 1))]).await.unwrap();
    let again = journal(store, "c", "t", [LogOp::Step(step("s0", 1, 1))]).await;
    assert!(matches!(again, Err(Error::Misfit(_))), "{again:?}");
    let twice = [LogOp::Step(step("s1", 1, 1)), LogOp::Step(step("s1", 1, 1))];
    let twice = journal(store, "c", "t", twice).await;
    assert!(matches!(twice, Err(Error::Misfit(_))), "{twice:?}");
    seal(store, "c", "t").await.unwrap();
    assert_eq!(store.metrics(&id("c")).await.unwrap()[0].metrics.steps, vec![step("s0", 1, 1)]);
}

async fn one_turn_at_a_time(world: impl World) {
    let store = world.store();
    begin(store, "c", "t1").await;
    assert_eq!(store.begin_turn(beginning("c", "t2", "Me too", 9)).await, Err(Error::TurnOpen));
    assert_eq!(store.conversation(&id("c")).await.unwrap().unwrap().meta.last_activity_at, 1);
    begin(store, "d", "t3").await;
    seal(store, "c", "t1").await.unwrap();
    begin(store, "c", "t2").await;
    assert_eq!(history(store, "c").await, ["1 user \"Hello\""]);
}

async fn only_the_open_turn_is_written(world: impl World) {
    let store = world.store();
    let not_open = |turn: &str| Error::NotOpen(turn.to_owned());
    assert_eq!(journal(store, "c", "t", [grow(2, 2, "x")]).await, Err(not_open("t")));
    assert_eq!(seal(store, "c", "t").await, Err(not_open("t")));
    begin(store, "c", "t").await;
    assert_eq!(journal(store, "c", "other", [grow(2, 2, "x")]).await, Err(not_open("other")));
    assert_eq!(seal(store, "c", "other").await, Err(not_open("other")));
    seal(store, "c", "t").await.unwrap();
    assert_eq!(journal(store, "c", "t", [grow(2, 2, "x")]).await, Err(not_open("t")));
    assert_eq!(seal(store, "c", "t").await, Err(not_open("t")));
    assert_eq!(history(store, "c").await, ["1 user \"Hello\""]);
}

async fn a_turn_id_is_used_once(world: impl World) {
    let store = world.store();
    begin(store, "c", "t").await;
    seal(store, "c", "t").await.unwrap();
    for conversation in ["c", "d"] {
        let again = store.begin_turn(beginning(conversation, "t", "Hello", 5)).await;
        assert!(matches!(again, Err(Error::Misfit(_))), "{again:?}");
    }
    assert_eq!(store.conversation(&id("d")).await, Ok(None));
}

async fn the_queue_keeps_its_order(world: impl World) {
    let store = world.store();
    let c = id("c");
    let (one, two, three) = (queued("z", 1), queued("a", 1), queued("m", 0));
    assert_eq!(store.enqueue(&c, one.clone()).await, Ok(vec![one.clone()]));
    assert_eq!(store.enqueue(&id("d"), one.clone()).await, Ok(vec![one.clone()]));
    store.enqueue(&c, two.clone()).await.unwrap();
    assert_eq!(store.enqueue(&c, three.clone()).await, Ok(vec![one.clone(), two.clone(), three.clone()]));
    let twice = store.enqueue(&c, two.clone()).await;
    assert!(matches!(twice, Err(Error::Misfit(_))), "{twice:?}");

    let ids = ["m", "unknown", "z"].map(str::to_owned).to_vec();
    assert_eq!(store.dequeue(&c, ids.clone()).await, Ok(vec![one.clone(), three]));
    assert_eq!(store.dequeue(&c, ids).await, Ok(vec![]));
    assert_eq!(store.queue(&c).await, Ok(vec![two.clone()]));
    // Back in, at the end.
    assert_eq!(store.enqueue(&c, one.clone()).await, Ok(vec![two, one]));
}

async fn a_queue_outlives_a_restart(mut world: impl World) {
    let all = vec![queued("b", 1), queued("a", 2)];
    for message in &all {
        world.store().enqueue(&id("c"), message.clone()).await.unwrap();
    }
    world.reopen();
    assert_eq!(world.store().queue(&id("c")).await, Ok(all));
}

async fn a_delivered_message_leaves_the_queue(mut world: impl World) {
    let store = world.store();
    begin(store, "c", "t").await;
    for message in ["a", "b", "later"] {
        store.enqueue(&id("c"), queued(message, 1)).await.unwrap();
    }
    let deliver = |messages: [&str; 2]| {
        let entry = entry(4, 4, Role::User, text("a and b"));
        LogOp::Deliver(entry, messages.map(str::to_owned).to_vec())
    };
    let before = [says(2, 2, call("x")), append(3, 3, Role::Tool, result("x", "done", false))];
    journal(store, "c", "t", before).await.unwrap();
    for gone in [["a", "gone"], ["a", "a"]] {
        let refused = journal(store, "c", "t", [deliver(gone)]).await;
        assert!(matches!(refused, Err(Error::Misfit(_))), "{refused:?}");
    }
    assert_eq!(store.queue(&id("c")).await.unwrap().len(), 3);
    journal(store, "c", "t", [deliver(["a", "b"])]).await.unwrap();
    assert_eq!(store.queue(&id("c")).await, Ok(vec![queued("later", 1)]));
    world.reopen();
    assert_eq!(history(world.store(), "c").await.last().unwrap(), "4 user \"a and b\"");
    assert_eq!(world.store().queue(&id("c")).await, Ok(vec![queued("later", 1)]));
}

async fn a_carried_message_leaves_the_queue(world: impl World) {
    let store = world.store();
    store.enqueue(&id("c"), queued("a", 1)).await.unwrap();
    store.enqueue(&id("c"), queued("b", 1)).await.unwrap();
    let carrying = |turn: &str, carries: &[&str]| BeginTurn {
        carries: carries.iter().map(|id| (*id).to_owned()).collect(),
        ..beginning("c", turn, "carried", 5)
    };
    let refused = store.begin_turn(carrying("t1", &["a", "gone"])).await;
    assert!(matches!(refused, Err(Error::Misfit(_))), "{refused:?}");
    let idle = store.conversation(&id("c")).await.unwrap().unwrap();
    assert_eq!((idle.meta.status, idle.meta.last_activity_at), (ConversationStatus::Idle, 1));
    assert_eq!(store.queue(&id("c")).await.unwrap().len(), 2);

    store.begin_turn(carrying("t1", &["b", "a"])).await.unwrap();
    assert_eq!(store.queue(&id("c")).await, Ok(vec![]));
    let unknown = store.begin_turn(BeginTurn { conversation: id("new"), ..carrying("t2", &["a"]) }).await;
    assert!(matches!(unknown, Err(Error::Misfit(_))), "{unknown:?}");
    assert_eq!(store.conversation(&id("new")).await, Ok(None));
}

async fn closing_hides_and_the_next_turn_brings_back(world: impl World) {
    let store = world.store();
    assert_eq!(store.close(&id("unknown")).await, Ok(false));
    assert_eq!(store.conversation(&id("unknown")).await, Ok(None));
    begin(store, "c", "t1").await;
    seal(store, "c", "t1").await.unwrap();
    store.enqueue(&id("c"), queued("a", 1)).await.unwrap();
    assert_eq!(store.close(&id("c")).await, Ok(true));
    assert_eq!(store.close(&id("c")).await, Ok(true));
    let closed = store.conversation(&id("c")).await.unwrap().unwrap().meta;
    assert_eq!((closed.status, closed.last_activity_at), (ConversationStatus::Closed, 2));
    assert_eq!(store.queue(&id("c")).await, Ok(vec![]));
    assert_eq!(history(store, "c").await.len(), 1);
    begin(store, "c", "t2").await;
    seal(store, "c", "t2").await.unwrap();
    assert_eq!(store.conversation(&id("c")).await.unwrap().unwrap().meta.status, ConversationStatus::Idle);
}

async fn reopening_takes_a_close_back_and_nothing_else(world: impl World) {
    let store = world.store();
    assert_eq!(store.reopen(&id("unknown")).await, Ok(false));
    assert_eq!(store.conversation(&id("unknown")).await, Ok(None));
    begin(store, "c", "t1").await;
    seal(store, "c", "t1").await.unwrap();
    store.enqueue(&id("c"), queued("a", 1)).await.unwrap();
    let before = store.conversation(&id("c")).await;
    assert_eq!(store.reopen(&id("c")).await, Ok(false), "it is not closed");
    store.close(&id("c")).await.unwrap();
    assert_eq!(store.reopen(&id("c")).await, Ok(true));
    assert_eq!(store.reopen(&id("c")).await, Ok(false));
    assert_eq!(store.conversation(&id("c")).await, before);
    assert_eq!(store.queue(&id("c")).await, Ok(vec![]));
    assert_eq!(history(store, "c").await.len(), 1);
}

async fn closing_does_not_end_a_turn(world: impl World) {
    let store = world.store();
    begin(store, "c", "t").await;
    assert_eq!(store.close(&id("c")).await, Ok(true));
    assert_eq!(store.conversation(&id("c")).await.unwrap().unwrap().meta.status, ConversationStatus::Active);
    journal(store, "c", "t", [says(2, 2, text("still here"))]).await.unwrap();
    seal(store, "c", "t").await.unwrap();
    assert_eq!(store.conversation(&id("c")).await.unwrap().unwrap().meta.status, ConversationStatus::Closed);
}

async fn a_title_comes_from_the_first_text(world: impl World) {
    let store = world.store();
    let title = async || store.conversation(&id("c")).await.unwrap().unwrap().meta.title;
    store.enqueue(&id("c"), queued("a", 1)).await.unwrap();
    assert_eq!(title().await, "Untitled");
    store.begin_turn(beginning("c", "t0", "", 1)).await.unwrap();
    assert_eq!(title().await, "Untitled");
    seal(store, "c", "t0").await.unwrap();
    store.begin_turn(beginning("c", "t1", &"ü".repeat(81), 1)).await.unwrap();
    assert_eq!(title().await, format!("{}…", "ü".repeat(80)));
    seal(store, "c", "t1").await.unwrap();
    store.begin_turn(beginning("c", "t2", "Another", 1)).await.unwrap();
    assert_eq!(title().await, format!("{}…", "ü".repeat(80)));
}

async fn a_title_that_was_set_stays(world: impl World) {
    let store = world.store();
    for (number, title) in ["Mine", "Untitled", ""].into_iter().enumerate() {
        let conversation = format!("c{number}");
        store.set(&id(&conversation), 1, Setting::Title(title.to_owned())).await.unwrap();
        begin(store, &conversation, &format!("t{number}")).await;
        assert_eq!(store.conversation(&id(&conversation)).await.unwrap().unwrap().meta.title, title);
    }
    begin(store, "late", "t").await;
    store.set(&id("late"), 9, Setting::Title("Mine".to_owned())).await.unwrap();
    assert_eq!(store.conversation(&id("late")).await.unwrap().unwrap().meta.title, "Mine");
}

async fn settings_make_a_conversation_but_no_activity(mut world: impl World) {
    let store = world.store();
    let c = id("c");
    store.set(&c, 5, Setting::Effort(ReasoningEffort::Max)).await.unwrap();
    store.set(&c, 6, Setting::Cwd(Some("/srv".to_owned()))).await.unwrap();
    store.set(&c, 7, Setting::Model(Some("a/b/c".to_owned()))).await.unwrap();
    let expected = Conversation {
        meta: ConversationMeta {
            id: c.clone(),
            created_at: 5,
            last_activity_at: 5,
            title: "Untitled".to_owned(),
            status: ConversationStatus::Idle,
            compacted_from: None,
        },
        model: Some("a/b/c".to_owned()),
        cwd: Some("/srv".to_owned()),
        effort: Some(ReasoningEffort::Max),
        last_seq: 0,
    };
    assert_eq!(store.conversation(&c).await, Ok(Some(expected.clone())));
    world.reopen();
    let store = world.store();
    assert_eq!(store.conversation(&c).await, Ok(Some(expected.clone())));
    store.set(&c, 8, Setting::Cwd(None)).await.unwrap();
    store.set(&c, 8, Setting::Model(None)).await.unwrap();
    assert_eq!(store.conversation(&c).await, Ok(Some(Conversation { model: None, cwd: None, ..expected })));
}

async fn a_turn_keeps_its_model_and_directory(world: impl World) {
    let store = world.store();
    let kept = async || {
        let conversation = store.conversation(&id("c")).await.unwrap().unwrap();
        (conversation.model, conversation.cwd)
    };
    let some = |value: &str| Some(value.to_owned());
    let first = BeginTurn { model: some("a/one"), cwd: some("/one"), ..beginning("c", "t1", "Hello", 1) };
    store.begin_turn(first).await.unwrap();
    assert_eq!(kept().await, (some("a/one"), some("/one")));
    seal(store, "c", "t1").await.unwrap();
    begin(store, "c", "t2").await;
    assert_eq!(kept().await, (some("a/one"), some("/one")));
    seal(store, "c", "t2").await.unwrap();
    store.begin_turn(BeginTurn { model: some("a/two"), ..beginning("c", "t3", "Hello", 1) }).await.unwrap();
    assert_eq!(kept().await, (some("a/two"), some("/one")));
}

fn ids(list: &[ConversationMeta]) -> Vec<&str> {
    list.iter().map(|meta| meta.id.as_str()).collect()
}

async fn the_list_is_by_activity(world: impl World) {
    let store = world.store();
    for (conversation, at) in [("old", 10), ("newest", 30), ("tie-2", 20), ("tie-1", 20)] {
        store.set(&id(conversation), at, Setting::Effort(ReasoningEffort::Low)).await.unwrap();
    }
    assert_eq!(ids(&list(store, Filter::default()).await), ["newest", "tie-2", "tie-1", "old"]);
    store.begin_turn(beginning("old", "t", "Hello", 25)).await.unwrap();
    assert_eq!(ids(&list(store, Filter::default()).await), ["newest", "old", "tie-2", "tie-1"]);
    store.seal(sealing("old", "t", 40)).await.unwrap();
    assert_eq!(ids(&list(store, Filter::default()).await), ["old", "newest", "tie-2", "tie-1"]);
}

async fn the_list_is_filtered_by_status(world: impl World) {
    let store = world.store();
    for conversation in ["active", "idle", "closed"] {
        begin(store, conversation, conversation).await;
    }
    seal(store, "idle", "idle").await.unwrap();
    seal(store, "closed", "closed").await.unwrap();
    store.close(&id("closed")).await.unwrap();
    let by = async |statuses: &[ConversationStatus]| {
        let list = list(store, Filter { statuses: statuses.to_vec(), id_prefix: None }).await;
        list.into_iter().map(|meta| meta.id).collect::<Vec<ConversationId>>()
    };
    assert_eq!(by(&[]).await, [id("idle"), id("closed"), id("active")]);
    assert_eq!(by(&[ConversationStatus::Active]).await, [id("active")]);
    assert_eq!(by(&[ConversationStatus::Closed, ConversationStatus::Idle]).await, [id("idle"), id("closed")]);
}

async fn an_id_prefix_is_compared_byte_by_byte(world: impl World) {
    let store = world.store();
    let all = ["ab", "abc", "aB", "a%", "a_b", "b", "aé", "aéx", "aè", "a\u{10FFFF}x", "\u{10FFFF}"];
    for conversation in all {
        store.set(&id(conversation), 1, Setting::Effort(ReasoningEffort::Low)).await.unwrap();
    }
    let prefixes = ["a", "ab", "abc", "abcd", "aB", "a%", "a_", "aé", "a\u{10FFFF}", "\u{10FFFF}", "", "A"];
    for prefix in prefixes {
        let expected: Vec<&str> =
            all.into_iter().filter(|id| id.as_bytes().starts_with(prefix.as_bytes())).collect();
        let filter = Filter { statuses: vec![], id_prefix: Some(prefix.to_owned()) };
        assert_eq!(ids(&list(store, filter).await), expected, "those that begin with {prefix:?}");
    }
    let both = Filter { statuses: vec![ConversationStatus::Closed], id_prefix: Some("a".to_owned()) };
    assert_eq!(list(store, both).await, vec![]);
}

async fn a_window_is_cut_from_the_end(world: impl World) {
    let store = world.store();
    begin(store, "c", "t").await;
    journal(store, "c", "t", (2..=10).map(|seq| says(seq, 2, text("x"))).collect::<Vec<_>>()).await.unwrap();
    seal(store, "c", "t").await.unwrap();
    // A neighbour on either side, and a turn in flight.
    begin(store, "b", "t2").await;
    seal(store, "b", "t2").await.unwrap();
    begin(store, "c", "t3").await;
    let seqs = async |since, before, limit| {
        let rows = store.chunks(&id("c"), Window { since, before, limit }).await.unwrap();
        rows.iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(0, None, None).await, (1..=10).collect::<Vec<_>>());
    assert_eq!(seqs(7, None, None).await, [8, 9, 10]);
    assert_eq!(seqs(10, None, None).await, [] as [u64; 0]);
    assert_eq!(seqs(0, None, Some(3)).await, [8, 9, 10]);
    assert_eq!(seqs(0, Some(8), Some(3)).await, [5, 6, 7]);
    assert_eq!(seqs(5, Some(8), Some(3)).await, [6, 7]);
    assert_eq!(seqs(5, Some(6), None).await, [] as [u64; 0]);
    assert_eq!(seqs(0, Some(1), None).await, [] as [u64; 0]);
    assert_eq!(seqs(0, Some(0), None).await, [] as [u64; 0]);
    assert_eq!(seqs(0, Some(100), Some(100)).await, (1..=10).collect::<Vec<_>>());
    assert_eq!(seqs(0, None, Some(0)).await, [] as [u64; 0]);
    assert_eq!(seqs(u64::MAX, Some(u64::MAX), Some(u64::MAX)).await, [] as [u64; 0]);
    assert_eq!(seqs(0, Some(u64::MAX), Some(u64::MAX)).await, (1..=10).collect::<Vec<_>>());
}

async fn messages_are_grouped_by_their_number(world: impl World) {
    let store = world.store();
    begin(store, "c", "t").await;
    let signed = Entry {
        replay: Some(json!({ "signature": [1, "two", null] })),
        ..entry(2, 2, Role::Assistant, Chunk::Thinking { text: String::new() })
    };
    let ops = [
        LogOp::Append(signed),
        says(3, 2, text("one")),
        // The same role, but another message.
        says(4, 3, text("two")),
        append(5, 4, Role::User, text("steer")),
    ];
    journal(store, "c", "t", ops).await.unwrap();
    seal(store, "c", "t").await.unwrap();
    let thinking = Part {
        chunk: Chunk::Thinking { text: String::new() },
        replay: Some(json!({ "signature": [1, "two", null] })),
    };
    let all = numbered([
        Message::user("Hello"),
        Message { role: Role::Assistant, parts: vec![thinking.clone(), text("one").into()] },
        Message { role: Role::Assistant, parts: vec![text("two").into()] },
        Message::user("steer"),
    ]);
    assert_eq!(store.messages(&id("c"), 5).await, Ok(all.clone()));
    assert_eq!(store.messages(&id("c"), u64::MAX).await, Ok(all));
    assert_eq!(
        store.messages(&id("c"), 2).await,
        Ok(numbered([Message::user("Hello"), Message { role: Role::Assistant, parts: vec![thinking] }]))
    );
    assert_eq!(store.messages(&id("c"), 0).await, Ok(vec![]));
}

async fn metrics_are_sums_of_steps(world: impl World) {
    let store = world.store();
    begin(store, "c", "t1").await;
    let cached = StepMetrics {
        usage: Usage {
            input_tokens: 5,
            output_tokens: 6,
            cache_read_tokens: Some(4),
            cache_write_tokens: None,
        },
        ttft_ms: None,
        decode_ms: None,
        ..step("s1", 0, 0)
    };
    let steps = vec![step("s0", 1, 2), cached.clone()];
    journal(store, "c", "t1", steps.iter().cloned().map(LogOp::Step).collect::<Vec<_>>()).await.unwrap();
    seal(store, "c", "t1").await.unwrap();
    begin(store, "c", "t0").await;
    seal(store, "c", "t0").await.unwrap();
    let turns = store.metrics(&id("c")).await.unwrap();
    assert_eq!(
        turns.into_iter().map(|turn| turn.metrics).collect::<Vec<_>>(),
        vec![
            TurnMetrics {
                turn_id: turn_id("t1"),
                usage: Usage {
                    input_tokens: 6,
                    output_tokens: 8,
                    cache_read_tokens: Some(4),
                    cache_write_tokens: None
                },
                duration_ms: Some(7),
                steps,
                context_size: Some(30),
            },
            TurnMetrics {
                turn_id: turn_id("t0"),
                usage: Usage::default(),
                duration_ms: Some(7),
                steps: vec![],
                context_size: Some(30),
            },
        ]
    );
}

async fn a_chunk_keeps_its_turn_and_what_people_are_shown_of_it(mut world: impl World) {
    let store = world.store();
    store.enqueue(&id("c"), queued("m", 1)).await.unwrap();
    begin(store, "c", "t1").await;
    let answer =
        |seq, call: &str, ran| LogOp::Answer(entry(seq, seq - 2, Role::Tool, result(call, "", false)), ran);
    let ops = [
        says(2, 2, call("a")),
        says(3, 2, call("b")),
        says(4, 2, call("d")),
        answer(5, "a", Some(1200)),
        answer(6, "b", None),
        answer(7, "d", Some(0)),
        LogOp::Deliver(entry(8, 6, Role::User, text("steer")), vec!["m".to_owned()]),
        says(9, 7, call("e")),
    ];
    journal(store, "c", "t1", ops).await.unwrap();
    world.reopen();
    let store = world.store();
    begin(store, "c", "t2").await;
    seal(store, "c", "t2").await.unwrap();

    let of = |turn: &str| StoredChunkExtras { turn_id: Some(turn_id(turn)), ..StoredChunkExtras::default() };
    let ran = |ms| StoredChunkExtras { duration_ms: Some(ms), ..of("t1") };
    let steers = StoredChunkExtras { steering: Some(true), ..of("t1") };
    let whole = [
        of("t1"),
        of("t1"),
        of("t1"),
        of("t1"),
        ran(1200),
        of("t1"),
        ran(0),
        steers.clone(),
        of("t1"),
        // The result of a call that the restart interrupted.
        of("t1"),
        of("t2"),
    ];
    let rows = store.chunks(&id("c"), Window::default()).await.unwrap();
    assert_eq!(rows.into_iter().map(|row| row.extras).collect::<Vec<_>>(), whole);

    let compaction = Compaction {
        conversation: id("c"),
        archive: id("archive"),
        summary: "summary".to_owned(),
        keep_from: Some(6),
        last_seq: 11,
    };
    store.compact(compaction).await.unwrap();
    let rows = store.chunks(&id("c"), Window::default()).await.unwrap();
    let kept: Vec<_> = rows.into_iter().map(|row| row.extras).collect();
    assert_eq!(kept, [StoredChunkExtras::default(), steers, of("t1"), of("t1"), of("t2")]);
    let end = Window { limit: Some(4), ..Window::default() };
    let rows = store.chunks(&id("archive"), end).await.unwrap();
    assert_eq!(rows.into_iter().map(|row| row.extras).collect::<Vec<_>>(), whole[7..]);
}

async fn a_turn_keeps_when_it_began_why_it_ended_and_who_answered(world: impl World) {
    let store = world.store();
    let chosen = BeginTurn { model: Some("a/kept".to_owned()), ..beginning("c", "t1", "Hello", 1000) };
    store.begin_turn(chosen).await.unwrap();
    seal(store, "c", "t1").await.unwrap();
    let other = BeginTurn { answered_by: Some("a/other".to_owned()), ..beginning("c", "t2", "Hello", 2000) };
    store.begin_turn(other).await.unwrap();
    let aborted = Seal { reason: "aborted".to_owned(), ..sealing("c", "t2", 2500) };
    store.seal(aborted).await.unwrap();
    let extras = |started_at, reason: &str, model: &str| TurnMetricsExtras {
        started_at: Some(started_at),
        reason: Some(reason.to_owned()),
        model: Some(model.to_owned()),
    };
    let turns = store.metrics(&id("c")).await.unwrap();
    assert_eq!(
        turns.into_iter().map(|turn| turn.extras).collect::<Vec<_>>(),
        [extras(1000, "stop", "a/kept"), extras(2000, "aborted", "a/other")]
    );
}

async fn writes_take_effect_in_the_order_of_the_calls(world: impl World) {
    let store = world.store();
    let begun = store.begin_turn(beginning("c", "t", "Hello", 1));
    let (c, t) = (id("c"), turn_id("t"));
    let journalled: Vec<_> =
        (2..200).map(|seq| store.journal(&c, &t, vec![says(seq, 2, text("x"))])).collect();
    let sealed = store.seal(sealing("c", "t", 2));
    // Awaited last to first.
    assert_eq!(sealed.await, Ok(Sealed { last_seq: 199 }));
    for journalled in journalled.into_iter().rev() {
        journalled.await.unwrap();
    }
    assert_eq!(begun.await, Ok(Begun { seq: 1, next_seq: 2, message: 1 }));
}

async fn a_write_happens_even_if_nobody_waits(world: impl World) {
    let store = world.store();
    drop(store.begin_turn(beginning("c", "t", "Hello", 1)));
    drop(store.journal(&id("c"), &turn_id("t"), vec![says(2, 2, text("Hi"))]));
    assert_eq!(seal(store, "c", "t").await, Ok(Sealed { last_seq: 2 }));
}

async fn unknown_conversations_are_empty(world: impl World) {
    let store = world.store();
    let unknown = id("unknown");
    assert_eq!(store.conversation(&unknown).await, Ok(None));
    assert_eq!(window(store, "unknown", Window::default()).await, Vec::<String>::new());
    assert_eq!(store.messages(&unknown, u64::MAX).await, Ok(vec![]));
    assert_eq!(store.metrics(&unknown).await, Ok(vec![]));
    assert_eq!(store.queue(&unknown).await, Ok(vec![]));
    assert_eq!(store.dequeue(&unknown, vec!["a".to_owned()]).await, Ok(vec![]));
    assert_eq!(list(store, Filter::default()).await, vec![]);
}
