use rustix::process::Signal;

use crate::common::{Home, Ran, Server, Working, of_kind};

fn counting(server: &Server) -> (Working, String) {
    let chat = Working::start(&mut server.client(&["chat", "--json", "--text", "count to 10000 slowly"]));
    let events = chat.until(|event| event["type"] == "text-delta");
    let id = events[0]["conversationId"].as_str().unwrap().to_owned();
    (chat, id)
}

#[test]
fn by_another_process() {
    let home = Home::new();
    let server = home.start();
    let (chat, id) = counting(&server);
    assert!(server.run(&["list", "--status", "active"]).ok().starts_with(&id[..8]));
    assert_eq!(server.run(&["stop", &id[..8]]).ok(), format!("stopped the turn of {}\n", &id[..8]));
    let ended = chat.end();
    assert_eq!(ended.status, Some(1), "the answer is not whole: {ended:?}");
    let events = ended.json();
    assert_eq!(of_kind(&events, "done")[0]["reason"], "aborted");
    assert_eq!(of_kind(&events, "turn-sealed").len(), 1);
    assert_eq!(server.run(&["stop", &id]).ok(), format!("no turn was running in {}\n", &id[..8]));
    assert_eq!(server.run(&["list", "--status", "active"]).ok(), "");
}

#[test]
fn by_ctrl_c() {
    let home = Home::new();
    let server = home.start();
    let (chat, id) = counting(&server);
    chat.signal(Signal::INT);
    let ended = chat.end();
    assert_eq!(ended.status, Some(130), "{ended:?}");
    assert_eq!(of_kind(&ended.json(), "done")[0]["reason"], "aborted");
    assert!(server.run(&["read", &id]).ok().contains('1'), "what was said stays");
}

#[test]
fn but_not_by_a_client_that_goes_away() {
    let home = Home::new();
    let server = home.start();
    let chat = Working::start(&mut server.client(&["chat", "--json", "--text", "count to 300"]));
    let id =
        chat.until(|event| event["type"] == "text-delta")[0]["conversationId"].as_str().unwrap().to_owned();
    chat.signal(Signal::KILL);
    chat.end();
    let read = server.run(&["read", &id]).ok();
    assert!(read.contains("300"), "it went on to its end: {read}");
}

#[test]
fn and_steered_by_another_process() {
    let home = Home::new();
    let server = home.start();
    home.write("go", "");
    let wait = "run while [ -e go ]; do sleep 0.05; done";
    let mut command = server.client(&["chat", "--json", "--text", wait]);
    let chat = Working::start(command.current_dir(home.work()));
    let id =
        chat.until(|event| event["type"] == "tool-call")[0]["conversationId"].as_str().unwrap().to_owned();
    let again = server.run(&["send", &id, "--text", "say no"]);
    assert!(again.status == Some(1) && again.stderr.ends_with("(turn-active)\n"), "{again:?}");
    let queued = Ran::of(&mut server.client(&["send", &id, "--queue", "--text", "say steered"]));
    assert_eq!(queued.ok(), format!("queued in {}\n", &id[..8]));
    std::fs::remove_file(home.work().join("go")).unwrap();
    let ended = chat.end();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(of_kind(&ended.json(), "steering")[0]["text"], "say steered");
}
