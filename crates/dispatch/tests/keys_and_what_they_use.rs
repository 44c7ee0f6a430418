use std::path::Path;

use serde_json::{Value, json};

use crate::common::{Home, Ran, Server, text};

/// A server whose demo costs something.
fn priced(home: &Home) -> Server {
    Server::start(
        home.serve(&[])
            .env("DISPATCH_CREDENTIALS__DEMO__KIND", "demo")
            .env("DISPATCH_CREDENTIALS__DEMO__TOKEN_DELAY", "1ms")
            .env("DISPATCH_METERING__PRICES", "demo/demo=1000/2000")
            .env("DISPATCH_METERING__EXPORT_FILE", "../usage.ndjson"),
    )
}

fn events(path: &Path) -> Vec<Value> {
    text(path).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn id_of(server: &Server, name: &str) -> String {
    let listed = server.run(&["keys", "list", "--json"]).json();
    let keys = listed[0]["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["name"] == name).unwrap();
    key["id"].as_str().unwrap().to_owned()
}

#[test]
fn are_made_filled_listed_and_revoked() {
    let home = Home::new();
    let server = home.start();
    let made = server.run(&["keys", "create", "--name", "the shop", "--credits", "2.5"]);
    let secret = made.stdout.trim().to_owned();
    assert!(secret.starts_with("dsp_") && made.stdout.lines().count() == 1, "{made:?}");
    let id = id_of(&server, "the shop");
    let short = &id[..12];
    assert_eq!(made.stderr, format!("[key] {short} (the shop); its secret is shown this once\n"));
    for _ in 0..2 {
        let credited = server.run(&["keys", "credit", &id[4..9], "10", "--deposit", "invoice 1"]);
        assert_eq!(credited.ok(), format!("{short} (the shop) has 12.5 credits\n"), "once");
    }
    assert_eq!(
        server.run(&["keys", "credit", &id, "-0.5"]).ok(),
        format!("{short} (the shop) has 12 credits\n")
    );
    for who in [short, &id] {
        let shown = server.run(&["keys", "show", who]).ok();
        assert_eq!(shown, format!("{short} (the shop): 12 credits; 0 spent\n"));
    }
    let own = Ran::of(server.client(&["keys", "show"]).env("DISPATCH_API_KEY", &secret));
    assert_eq!(own.ok(), format!("{short} (the shop): 12 credits; 0 spent\n"), "a key sees itself");
    assert_eq!(server.run(&["keys", "show"]).ok(), "local (this machine): unlimited; 0 spent\n");
    let listed = server.run(&["keys", "list"]).ok();
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["key", "balance", "held", "made", "name"]);
    assert_eq!((rows[1][0], rows.len()), ("local", 3), "{listed}");
    assert_eq!(rows[2], [short, "12", "0", "just", "now", "the", "shop"]);
    assert_eq!(server.run(&["keys", "revoke", &id[..8]]).ok(), format!("revoked {short} (the shop)\n"));
    let last = server.run(&["keys", "list", "--json"]).json();
    assert!(last[0]["keys"][1]["revokedAt"].is_u64(), "{last:?}");
    let unlimited = server.run(&["keys", "create", "--unlimited", "--json"]).json();
    assert_eq!(unlimited[0]["key"]["funds"], json!("unlimited"));
}

#[test]
fn that_do_not_exist_or_amounts_that_are_none_are_refused() {
    let home = Home::new();
    let server = home.start();
    let unknown = server.run(&["keys", "revoke", "nobody"]);
    assert_eq!(
        (unknown.status, unknown.stderr.as_str()),
        (
            Some(1),
            "error: no key's id begins with `nobody`; `dispatch keys list` shows all of them (unknown-key)\n"
        )
    );
    let unknown = server.run(&["sessions", "show", "nobody"]);
    assert!(unknown.status == Some(1) && unknown.stderr.ends_with("(unknown-session)\n"), "{unknown:?}");
    let unknown = server.run(&["sessions", "end", &"a".repeat(36)]);
    assert!(unknown.status == Some(1) && unknown.stderr.ends_with("(not-found)\n"), "{unknown:?}");
    for arguments in [
        &["keys", "credit", "local", "many"][..],
        &["keys", "create", "--credits", "1.0000001"],
        &["keys", "create", "--credits", "1", "--unlimited"],
        &["usage", "--from", "yesterday"],
        &["sessions", "list", "--limit", "0"],
        &["keys"],
    ] {
        assert_eq!(server.run(arguments).status, Some(2), "{arguments:?}");
    }
    let backwards = server.run(&["usage", "--from", "2026-02-01", "--to", "2026-01-01"]);
    assert!(
        backwards.status == Some(1) && backwards.stderr.ends_with("(invalid-request)\n"),
        "{backwards:?}"
    );
    assert_eq!(server.run(&["sessions"]).ok(), "there was no session yet\n");
    assert_eq!(server.run(&["sessions", "list", "--json"]).json(), [json!({"sessions": []})]);
    assert_eq!(
        server.run(&["usage", "--from", "2026-01-01", "--to", "2026-01-02"]).ok(),
        "nothing was used from 2026-01-01 to 2026-01-02\n"
    );
}

#[test]
fn a_turn_is_in_the_usage_and_in_the_export_even_of_a_server_that_is_killed() {
    let home = Home::new();
    let file = home.work().join("../usage.ndjson");
    let server = priced(&home);
    assert!(server.said("exports to").is_some_and(|place| place.ends_with("usage.ndjson")));
    server.run(&["chat", "--text", "say hi"]).ok();
    let usage = server.run(&["usage", "--key", "local", "--json"]).json();
    let row = &usage[0]["usage"][0];
    assert_eq!((&row["key"], &row["model"]), (&json!("local"), &json!("demo/demo")), "{usage:?}");
    let (input, output) = (row["inputTokens"].as_u64().unwrap(), row["outputTokens"].as_u64().unwrap());
    let micros = 1000 * input + 2000 * output;
    let credits: meter::Credits = row["credits"].as_str().unwrap().parse().unwrap();
    assert_eq!(credits, meter::Credits::from_micros(i64::try_from(micros).unwrap()));
    let shown = server.run(&["usage"]).ok();
    assert!(shown.lines().nth(1).is_some_and(|line| line.ends_with(&credits.to_string())), "{shown}");
    server.kill();
    // Half a line, as a kill in the middle of a write leaves it.
    let half = format!("{}{{\"id\":\"ste", text(&file).split_inclusive('\n').collect::<String>());
    std::fs::write(&file, half).unwrap();
    let server = priced(&home);
    server.run(&["keys", "credit", "local", "1", "--deposit", "d", "--note", "n"]).ok();
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().0.success());
    let events = events(&file);
    let positions: Vec<u64> = events.iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=events.len() as u64).collect::<Vec<_>>(), "each row once, in order");
    let (credit, steps) = events.split_last().unwrap();
    assert!(!steps.is_empty() && steps.iter().all(|step| step["type"] == "step"), "{steps:?}");
    let at = &credit["at"];
    let expected = json!({"id": "credit:d", "position": events.len(), "at": at, "key": "local", "type": "credit",
        "deposit": "d", "note": "n", "credits": "1"});
    assert_eq!(*credit, expected);
}

#[test]
fn a_server_whose_export_file_is_somebody_elses_does_not_start() {
    let home = Home::new();
    home.write("poem.txt", "a poem\n");
    let (status, said) = home.refusal(home.serve(&[]).env("DISPATCH_METERING__EXPORT_FILE", "poem.txt"));
    assert_eq!(status, Some(1));
    assert!(
        said.contains("poem.txt was not written from this ledger") && said.contains("(export-failed)"),
        "{said}"
    );
    assert_eq!(text(&home.work().join("poem.txt")), "a poem\n");
}
