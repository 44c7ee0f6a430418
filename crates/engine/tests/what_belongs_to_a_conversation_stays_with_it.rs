//! The system prompt, images, the list of tasks, and the last thing said.

use std::sync::Arc;
use std::time::Duration;

use engine::{Error, Last, Options, Part, Prompt};
use kernel::Message;
use serde_json::json;
use tokio::sync::Notify;
use wire::extension::{ImageChunk, ImageInput, Todo, TodoStatus};
use wire::{Chunk, ConversationId, Role};

use crate::support::*;

const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";

fn id() -> ConversationId {
    ConversationId::new("c")
}

fn image(url: &str) -> ImageInput {
    ImageInput { url: url.to_owned(), mime_type: None }
}

#[tokio::test]
async fn the_system_prompt_is_resolved_once_and_again_in_another_directory() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(one.path().join("AGENTS.md"), "be kind").unwrap();
    let template = "In [prompt:cwd]. [file:AGENTS.md]".to_owned();
    let world = world_with(Options { system_prompt: Some(template), ..Options::default() });
    let at = |text: &str, cwd: &std::path::Path| {
        let cwd = Some(cwd.to_str().unwrap().to_owned());
        Prompt { cwd, ..prompt(text) }
    };
    let systems = || -> Vec<String> {
        world
            .requests()
            .iter()
            .map(|request| request.system.as_deref().unwrap_or("none").to_owned())
            .collect()
    };
    turn(&mut world.start("c", at("a", one.path())).await.unwrap().watcher).await;
    world.settled().await;
    std::fs::write(one.path().join("AGENTS.md"), "be rude").unwrap();
    world.engine.set_system_prompt("Changed.".to_owned()).await.unwrap();
    world.says("c", "b").await;
    let first = format!("In {}. be kind", one.path().display());
    assert_eq!(systems(), [first.clone(), first.clone()], "what a conversation began with stays");
    world.says("d", "a").await;
    assert_eq!(systems()[2], "Changed.", "a conversation that begins now has the new template");
    turn(&mut world.start("c", at("c", two.path())).await.unwrap().watcher).await;
    world.settled().await;
    assert_eq!(systems()[3], "Changed.", "another directory, another prompt");
    world.engine.set_system_prompt(String::new()).await.unwrap();
    world.says("e", "a").await;
    assert_eq!(systems()[4], "none", "an empty template means no system prompt");
}

#[tokio::test]
async fn an_image_is_kept_as_a_file_and_shown_to_the_model_as_data() {
    let directory = tempfile::tempdir().unwrap();
    let world = world_with(Options { images: Some(directory.path().to_owned()), ..Options::default() });
    let looked = Prompt { images: vec![image(PNG), image("https://example.org/a.png")], ..prompt("look") };
    turn(&mut world.start("c", looked).await.unwrap().watcher).await;
    world.settled().await;
    let history = world.history("c").await;
    assert_eq!(history[0], json!({"type": "text", "text": "look"}));
    assert_eq!(history[2], json!({"type": "image", "url": "https://example.org/a.png"}));
    assert_eq!(history[3]["text"], "you said: look");
    let url = history[1]["url"].as_str().unwrap();
    assert_eq!(history[1], json!({"type": "image", "url": url, "mimeType": "image/png"}));
    let file = url.strip_prefix("/images/c/").unwrap();
    let bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    assert_eq!(world.engine.image(&id(), file).await, Some((bytes, "image/png")));
    for strange in ["../c/x.png", "x.png", "", ".png", "dispatch.db"] {
        assert_eq!(world.engine.image(&id(), strange).await, None, "{strange:?}");
    }

    world.says("c", "again").await;
    let shown = |request: usize| world.requests()[request].messages[0].clone();
    assert_eq!(shown(0), shown(1), "the prefix is the same with the next turn");
    let expected = Message {
        role: Role::User,
        parts: vec![
            Chunk::Text { text: "look".to_owned() }.into(),
            Chunk::Image(ImageChunk { url: PNG.to_owned(), mime_type: Some("image/png".to_owned()) }).into(),
            Chunk::Image(ImageChunk { url: "https://example.org/a.png".to_owned(), mime_type: None }).into(),
        ],
    };
    assert_eq!(*shown(0), expected);

    assert!(world.engine.delete(&id(), false).await.unwrap());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "its images go with it");
}

#[tokio::test]
async fn a_model_that_does_not_see_is_told_so_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let world = world_with(Options { images: Some(directory.path().to_owned()), ..Options::default() });
    *world.script.vision.lock().unwrap() = Some(false);
    let looked = Prompt { images: vec![image(PNG)], ..prompt("look") };
    turn(&mut world.start("c", looked).await.unwrap().watcher).await;
    let request = world.requests().pop().unwrap();
    let words = "[an image (image/png) that this model cannot see]".to_owned();
    assert_eq!(request.messages[0].parts[1].chunk, Chunk::Text { text: words });
}

#[tokio::test]
async fn a_bad_image_is_refused_and_nothing_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let world = world_with(Options { images: Some(directory.path().to_owned()), ..Options::default() });
    let wrong = [
        "ftp://example.org/a.png",
        "data:image/png;base64",
        "data:image/png,abc",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:image/png;base64,???",
        "data:image/png;base64,",
        "",
    ];
    for url in wrong {
        let sent = world.start("c", Prompt { images: vec![image(PNG), image(url)], ..prompt("look") }).await;
        let Err(Error::Invalid(why)) = sent.map(drop) else { panic!("{url:?} was taken") };
        assert!(why.starts_with("images[1]: "), "{why}");
    }
    let many = Prompt { images: vec![image(PNG); 21], ..prompt("look") };
    assert!(matches!(world.start("c", many).await.map(drop), Err(Error::Invalid(_))));
    assert!(world.history("c").await.is_empty());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_list_of_tasks_is_replaced_as_a_whole_and_survives() {
    let world = world();
    let todos =
        json!([{"content": " look ", "status": "completed"}, {"content": "leap", "status": "in_progress"}]);
    let wrong = json!([{"content": "fall", "status": "maybe"}]);
    world.plays(vec![
        vec![call("a", "todo_write", json!({"todos": todos})), tools()],
        vec![call("b", "todo_write", json!({"todos": wrong})), tools()],
    ]);
    let mut changes = world.engine.changes();
    world.says("c", "plan").await;
    let expected = vec![
        Todo { content: "look".to_owned(), status: TodoStatus::Completed },
        Todo { content: "leap".to_owned(), status: TodoStatus::InProgress },
    ];
    assert_eq!(world.engine.todos(&id()).await.unwrap(), expected, "a list that is wrong changes nothing");
    let change = changes.try_recv().unwrap();
    assert_eq!((change.conversation_id, change.part), (id(), Part::Todos));
    let history = world.history("c").await;
    let results: Vec<_> = history.iter().filter(|chunk| chunk["type"] == "tool-result").collect();
    let list: Vec<Todo> = serde_json::from_str(results[0]["content"].as_str().unwrap()).unwrap();
    assert_eq!(list, expected);
    assert_eq!(results[1]["isError"], true);
    assert!(results[1]["content"].as_str().unwrap().starts_with("todos[0]: `status` must be"));
    world.plays(vec![vec![call("c", "todo_write", json!({"todos": []})), tools()]]);
    world.says("c", "clear").await;
    assert_eq!(world.engine.todos(&id()).await.unwrap(), []);
}

#[tokio::test]
async fn the_last_thing_said_waits_for_the_end_of_a_turn_of_any_kind() {
    let world = world();
    let patience = Duration::from_secs(20);
    let nothing = Last { text: String::new(), turn_id: None };
    assert_eq!(world.engine.last(&id(), patience).await.unwrap(), nothing);
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("first"), Play::Gate(gate.clone()), stop()]]);
    let started = world.start("c", prompt("go")).await.unwrap();
    let waiting = {
        let engine = world.engine.clone();
        tokio::spawn(async move { engine.last(&id(), patience).await.unwrap() })
    };
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(!waiting.is_finished());
    let short = world.engine.last(&id(), Duration::from_millis(10)).await.unwrap();
    assert_eq!(short, nothing, "waiting too long is not an error");
    gate.notify_one();
    let turn_id = Some(started.turn_id);
    assert_eq!(waiting.await.unwrap(), Last { text: "first".to_owned(), turn_id });

    // A turn that cannot be sealed ends all the same.
    world.settled().await;
    let gate = Arc::new(Notify::new());
    world.plays(vec![vec![text("lost"), Play::Gate(gate.clone()), stop()]]);
    let _watcher = world.send("c", "go").await.unwrap();
    world.store.fail_next_seals(1, store::Error::Full("no space".to_owned()));
    let waiting = {
        let engine = world.engine.clone();
        tokio::spawn(async move { engine.last(&id(), patience).await.unwrap() })
    };
    tokio::time::sleep(Duration::from_millis(30)).await;
    gate.notify_one();
    assert_eq!(waiting.await.unwrap(), Last { text: "first".to_owned(), turn_id: None });
}
