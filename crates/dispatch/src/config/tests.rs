//! What the configuration takes and what it refuses.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::credential::Thinking;
use super::*;

const EXAMPLE: &str = include_str!("../../../../dispatch.example.toml");

/// The example with every key switched on.
fn example() -> String {
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| !c.is_whitespace()) => key,
        Some(_) | None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(file: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("dispatch.toml"), file).unwrap();
    load(None, directory.path(), &environment(variables))
        .map_err(|error| error.to_string().replace(&format!("{}/", directory.path().display()), ""))
}

fn config(file: &str, variables: &[(&str, &str)]) -> Config {
    read(file, variables).unwrap().config
}

fn mistake(file: &str, variables: &[(&str, &str)]) -> String {
    match read(file, variables) {
        Ok(loaded) => panic!("{file} was read: {:?}", loaded.config),
        Err(message) => message,
    }
}

fn blank(name: &str, kind: credential::Protocol) -> Credential {
    Credential { name: name.to_owned(), kind, ..Credential::demo() }
}

#[test]
fn the_example_says_what_the_defaults_are() {
    let key = |text| Some(Key::new(text).unwrap());
    let expected = Config {
        default_model: Some("anthropic/claude-sonnet-4-5".to_owned()),
        system_prompt: Some("You work in [prompt:cwd]. [file:AGENTS.md]".to_owned()),
        mcp: Mcp { file: Some("mcp.json".into()), ..Mcp::default() },
        auth: Auth { api_key_env: Some("CHAT_KEY".to_owned()), ..Auth::default() },
        realtime: Realtime {
            udp: Some(["0.0.0.0:24204", "[::]:24204"].map(|address| address.parse().unwrap()).to_vec()),
            models: vec!["mirage=restyle 1280x704@25 0.02".parse().unwrap()],
            ..Realtime::default()
        },
        metering: Metering {
            prices: BTreeMap::from([("anthropic/claude-sonnet-4-5".to_owned(), "3/15/0.3".parse().unwrap())]),
            export_file: Some("/var/lib/dispatch/usage.ndjson".into()),
            webhook_url: Some("https://billing.example.org/usage".to_owned()),
            webhook_secret_env: Some("BILLING_SECRET".to_owned()),
        },
        tools: Tools {
            enabled: Some(["read_file", "write_file", "edit_file", "run_shell"].map(str::to_owned).to_vec()),
            ..Tools::default()
        },
        credentials: vec![
            Credential {
                base_url: Some("http://127.0.0.1:11434/v1".to_owned()),
                api_key_env: Some("LOCAL_KEY".to_owned()),
                models: Some(vec![
                    credential::Model { id: "qwen3".to_owned(), context_window: None, vision: None },
                    credential::Model {
                        id: "gpt-oss".to_owned(),
                        context_window: Some(131_072),
                        vision: None,
                    },
                ]),
                reasoning_effort: Some(false),
                reasoning_content: Some(false),
                max_completion_tokens: Some(false),
                ..blank("local", credential::Protocol::OpenAi)
            },
            Credential {
                api_key: key("sk-ant-..."),
                thinking: Some(Thinking::Budget),
                thinking_of: Some(BTreeMap::from([("claude-3-5".to_owned(), Thinking::Off)])),
                max_output_tokens: Some(64_000),
                ..blank("claude", credential::Protocol::Anthropic)
            },
            Credential {
                token_delay: Some(Period(std::time::Duration::from_millis(15))),
                ..blank("demo", credential::Protocol::Demo)
            },
            Credential {
                api_key_env: Some("ANTHROPIC_API_KEY".to_owned()),
                ..blank("anthropic", credential::Protocol::Anthropic)
            },
        ],
        ..Config::default()
    };
    let variables =
        [("CHAT_KEY", "k"), ("ANTHROPIC_API_KEY", "k"), ("LOCAL_KEY", "k"), ("BILLING_SECRET", "k")];
    let loaded = read(&example(), &variables).unwrap();
    assert_eq!(loaded.config, expected);
    assert_eq!(loaded.warnings, Vec::<String>::new());

    // The defaults of the crates that do the work are those of the configuration.
    let limits = Limits::default();
    let turn = kernel::Options::default();
    assert_eq!((limits.steps, limits.concurrent_tools), (turn.max_steps, turn.max_concurrent));
    assert_eq!(limits.retry_budget.0, turn.retry.budget);
    assert_eq!(limits.retry_delay.0, turn.retry.base);
    assert_eq!(limits.retry_max_delay.0, turn.retry.max_delay);
    assert_eq!(limits.stop_grace.0, turn.stop_grace);
    assert_eq!(limits.live_output_bytes.0, turn.live_output_limit);
    assert_eq!(limits.stall_timeout.0, providers::Limits::default().stall);
    assert_eq!(limits.connect_timeout.0, providers::Limits::default().connect);
    let engine = engine::Options::default();
    assert_eq!(limits.result_bytes.0, engine.result_limit);
    assert_eq!(limits.compact_percent, engine.compact_percent);
    assert_eq!(limits.live_memory_bytes.0, engine.spill.limit);
    let mcp = mcp::Settings::default();
    assert_eq!(expected.mcp.patience.0, mcp.patience);
    assert_eq!(expected.mcp.call_timeout.0, mcp.call_timeout);
    assert_eq!(expected.mcp.idle_timeout.0, mcp.idle);
    assert_eq!(expected.mcp.project_files, mcp.project_files);
    let demo = expected.credentials[2].settings(&Environment::default(), &limits);
    assert_eq!(demo.kind, providers::Kind::Demo(providers::demo::Options::default()));
}

#[test]
fn every_key_is_in_the_example_with_its_variable() {
    // A literal without `..`: a new field does not compile until it is here.
    let full = Config {
        http: Address::local(1),
        ws: SecondPort(None),
        data: "d".into(),
        cwd: "c".into(),
        default_model: Some("m/m".to_owned()),
        model_aliases: BTreeMap::new(),
        system_prompt: Some(String::new()),
        legacy_clients: false,
        log: "info".to_owned(),
        allowed_origins: Vec::new(),
        allowed_hosts: Vec::new(),
        auth: Auth { mode: AuthMode::Key, api_keys: Vec::new(), api_key_env: Some("K".to_owned()) },
        limits: Limits::default(),
        tools: Tools {
            sandbox: Sandbox::Auto,
            writable: Vec::new(),
            enabled: Some(Vec::new()),
            hidden_env: Vec::new(),
            passed_env: Vec::new(),
            set_env: BTreeMap::new(),
        },
        mcp: Mcp { file: Some("f".into()), ..Mcp::default() },
        realtime: Realtime {
            enabled: true,
            udp: Some(Vec::new()),
            public_addresses: Vec::new(),
            max_sessions: 1,
            max_sessions_per_key: 1,
            max_viewers_per_session: 1,
            models: Vec::new(),
        },
        metering: Metering {
            prices: BTreeMap::new(),
            export_file: Some("f".into()),
            webhook_url: Some("http://h".to_owned()),
            webhook_secret_env: Some("K".to_owned()),
        },
        credentials: Vec::new(),
    };
    let credential = Credential {
        name: "n".to_owned(),
        kind: credential::Protocol::OpenAi,
        base_url: Some("http://h".to_owned()),
        api_key: Key::new("k"),
        api_key_env: Some("K".to_owned()),
        models: Some(Vec::new()),
        reasoning_effort: Some(true),
        reasoning_content: Some(true),
        max_completion_tokens: Some(true),
        thinking: Some(Thinking::Off),
        thinking_of: Some(BTreeMap::from([("a".to_owned(), Thinking::Off)])),
        max_output_tokens: Some(1),
        token_delay: Some(Period(std::time::Duration::ZERO)),
    };

    fn leaves(table: &Table, prefix: &str, found: &mut BTreeSet<String>) {
        for (key, value) in table {
            let path = format!("{prefix}{key}");
            match value {
                Value::Table(table)
                    if !["tools.set_env", "model_aliases", "metering.prices"].contains(&&*path) =>
                {
                    leaves(table, &format!("{path}."), found)
                }
                _ => drop(found.insert(path)),
            }
        }
    }
    let mut keys = BTreeSet::new();
    leaves(&Table::try_from(&full).unwrap(), "", &mut keys);
    keys.remove("credentials");
    assert_eq!(keys, environment::KEYS.iter().map(|key| (*key).to_owned()).collect());
    let mut of_credentials: BTreeSet<String> =
        Table::try_from(&credential).unwrap().keys().cloned().collect();
    of_credentials.remove("name");
    assert_eq!(of_credentials, credential::KEYS.iter().map(|key| (*key).to_owned()).collect());

    let shown: Table = example().parse().unwrap();
    let mut in_example = BTreeSet::new();
    leaves(&shown, "", &mut in_example);
    in_example.remove("credentials");
    assert_eq!(in_example, keys);
    for key in &keys {
        assert!(EXAMPLE.contains(&format!("# {}", environment::variable(key))), "no variable for {key}");
    }
    let mut in_credentials = BTreeSet::new();
    for credential in shown["credentials"].as_array().unwrap() {
        in_credentials.extend(credential.as_table().unwrap().keys().cloned());
    }
    in_credentials.remove("name");
    assert_eq!(in_credentials, of_credentials);
    for key in &of_credentials {
        assert!(EXAMPLE.contains(&format!("__{}", key.to_ascii_uppercase())), "no variable for {key}");
    }
}

#[test]
fn without_anything_the_demo_answers() {
    let expected = Config { credentials: vec![Credential::demo()], ..Config::default() };
    assert_eq!(config("", &[]), expected);
    let nowhere = tempfile::tempdir().unwrap();
    let loaded = load(None, nowhere.path(), &Environment::default()).unwrap();
    assert_eq!((loaded.config, loaded.file), (expected, None));
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let path = std::path::Path::new("/nowhere/dispatch.toml");
    let error = load(Some(path), std::path::Path::new("/"), &Environment::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the configuration file /nowhere/dispatch.toml cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn a_file_can_be_named_by_a_variable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.toml");
    std::fs::write(&path, "http = 1000").unwrap();
    let named = environment(&[("DISPATCH_CONFIG", path.to_str().unwrap())]);
    let loaded = load(None, directory.path(), &named).unwrap();
    assert_eq!(
        (loaded.config.http, loaded.file, loaded.warnings),
        (Address::local(1000), Some(path), vec![])
    );
    let empty = environment(&[("DISPATCH_CONFIG", "")]);
    assert_eq!(load(None, directory.path(), &empty).unwrap().file, None);
}

#[test]
fn variables_win_over_the_file() {
    let file = "http = 1000\nallowed_hosts = ['a']\n[limits]\nsteps = 7\nbody_bytes = '2 MiB'\n";
    let expected = Config {
        http: Address::local(2000),
        ws: SecondPort(None),
        allowed_hosts: vec!["b".to_owned(), "c".to_owned()],
        auth: Auth { api_keys: vec![Key::new("123").unwrap(), Key::new("x").unwrap()], ..Auth::default() },
        limits: Limits { steps: 9, body_bytes: Size::mib(2), ..Limits::default() },
        tools: Tools {
            sandbox: Sandbox::Require,
            set_env: BTreeMap::from([("A".to_owned(), "b=c".to_owned())]),
            ..Tools::default()
        },
        credentials: vec![Credential::demo()],
        ..Config::default()
    };
    let variables = [
        ("DISPATCH_HTTP", ":2000"),
        ("DISPATCH_WS", "none"),
        ("DISPATCH_ALLOWED_HOSTS", "b, c"),
        ("DISPATCH_AUTH__API_KEYS", "123,x"),
        ("DISPATCH_LIMITS__STEPS", "9"),
        ("DISPATCH_LIMITS__RETRY_BUDGET", ""),
        ("DISPATCH_TOOLS__SANDBOX", "require"),
        ("DISPATCH_TOOLS__SET_ENV", "A=b=c"),
        ("BACKEND_PORT", "3000"),
    ];
    assert_eq!(config(file, &variables), expected);
}

#[test]
fn variables_say_what_is_charged_and_which_sessions_there_are() {
    let file = "[realtime]\nmax_sessions = 3\n[[realtime.models]]\nname = 'theirs'\n\
                [metering]\nprices = { 'demo/demo' = { input = 1, output = '2.5' } }\n";
    let of_file = config(file, &[]);
    assert_eq!(of_file.realtime.models, ["theirs".parse().unwrap()]);
    assert_eq!(of_file.metering.prices["demo/demo"], "1/2.5".parse().unwrap());
    let variables = [
        ("DISPATCH_REALTIME__ENABLED", "false"),
        ("DISPATCH_REALTIME__UDP", "127.0.0.1:0, [::1]:0"),
        ("DISPATCH_REALTIME__PUBLIC_ADDRESSES", "192.0.2.7,2001:db8::7"),
        ("DISPATCH_REALTIME__MODELS", "mirage=0.02, mine=passthrough 640x360@30"),
        ("DISPATCH_METERING__PRICES", "demo/demo=3/15/0.3, demo/x=1/2"),
        ("DISPATCH_METERING__EXPORT_FILE", "out/usage.ndjson"),
        ("DISPATCH_METERING__WEBHOOK_URL", "http://u:hush@127.0.0.1:9/usage?key=hush"),
        ("DISPATCH_METERING__WEBHOOK_SECRET_ENV", "BILLING"),
        ("BILLING", "hush"),
    ];
    let expected = Config {
        realtime: Realtime {
            enabled: false,
            udp: Some(["127.0.0.1:0", "[::1]:0"].map(|address| address.parse().unwrap()).to_vec()),
            public_addresses: ["192.0.2.7", "2001:db8::7"]
                .map(|address| value::Listed(address.parse().unwrap()))
                .to_vec(),
            max_sessions: 3,
            models: ["mirage=restyle 1280x704@25 0.02", "mine=passthrough 640x360@30 0"]
                .map(|model| model.parse().unwrap())
                .to_vec(),
            ..Realtime::default()
        },
        metering: Metering {
            prices: BTreeMap::from([
                ("demo/demo".to_owned(), "3/15/0.3".parse().unwrap()),
                ("demo/x".to_owned(), "1/2".parse().unwrap()),
            ]),
            export_file: Some("out/usage.ndjson".into()),
            webhook_url: Some("http://u:hush@127.0.0.1:9/usage?key=hush".to_owned()),
            webhook_secret_env: Some("BILLING".to_owned()),
        },
        credentials: vec![Credential::demo()],
        ..Config::default()
    };
    let config = config(file, &variables);
    assert_eq!(config, expected);
    let shown = toml::to_string(&config).unwrap();
    assert!(!shown.contains("hush"), "{shown}");
    let read_again: Config = toml::from_str(&shown).unwrap();
    assert_eq!((read_again.realtime, read_again.metering.prices), (config.realtime, config.metering.prices));
}

#[test]
fn the_contracts_variable_sets_the_port_where_nothing_else_does() {
    assert_eq!(config("", &[("BACKEND_PORT", "3000")]).http, Address::local(3000));
    assert_eq!(config("http = 4000", &[("BACKEND_PORT", "3000")]).http, Address::local(4000));
    for ignored in ["0", "x", "-1", "99999"] {
        assert_eq!(config("", &[("BACKEND_PORT", ignored)]).http, Address::local(PORT), "{ignored}");
    }
}

#[test]
fn a_key_in_the_environment_is_a_credential() {
    let variables =
        [("ANTHROPIC_API_KEY", "a"), ("OPENAI_API_KEY", "o"), ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")];
    let openai = Credential {
        api_key_env: Some("OPENAI_API_KEY".to_owned()),
        base_url: Some("http://127.0.0.1:1/v1".to_owned()),
        ..blank("openai", credential::Protocol::OpenAi)
    };
    let anthropic = Credential {
        api_key_env: Some("ANTHROPIC_API_KEY".to_owned()),
        ..blank("anthropic", credential::Protocol::Anthropic)
    };
    assert_eq!(config("", &variables).credentials, [anthropic, openai.clone()]);
    let settings = openai.settings(&environment(&variables), &Limits::default());
    assert_eq!(settings.api_key.unwrap().reveal(), "o");

    let configured = "[[credentials]]\nname = 'anthropic'\nkind = 'demo'\n";
    let credentials = config(configured, &variables).credentials;
    assert_eq!(credentials, [blank("anthropic", credential::Protocol::Demo), openai]);
}

#[test]
fn variables_make_and_change_credentials() {
    let file = "[[credentials]]\nname = 'my-llm'\nkind = 'openai'\nmodels = ['a']\n";
    let variables = [
        ("DISPATCH_CREDENTIALS__MY_LLM__MODELS", "b,c"),
        ("DISPATCH_CREDENTIALS__MY_LLM__REASONING_EFFORT", "true"),
        ("DISPATCH_CREDENTIALS__CLAUDE__KIND", "anthropic"),
        ("DISPATCH_CREDENTIALS__CLAUDE__API_KEY", "4711"),
        ("DISPATCH_CREDENTIALS__CLAUDE__THINKING_OF", "x=off, y-1 = adaptive"),
        ("DISPATCH_CREDENTIALS__CLAUDE__MAX_OUTPUT_TOKENS", "4000"),
    ];
    let model = |id: &str| credential::Model { id: id.to_owned(), context_window: None, vision: None };
    let expected = [
        Credential {
            models: Some(vec![model("b"), model("c")]),
            reasoning_effort: Some(true),
            ..blank("my-llm", credential::Protocol::OpenAi)
        },
        Credential {
            api_key: Key::new("4711"),
            thinking_of: Some(BTreeMap::from([
                ("x".to_owned(), Thinking::Off),
                ("y-1".to_owned(), Thinking::Adaptive),
            ])),
            max_output_tokens: Some(4000),
            ..blank("claude", credential::Protocol::Anthropic)
        },
    ];
    assert_eq!(config(file, &variables).credentials, expected);
}

#[test]
fn a_mistake_names_its_place_and_what_is_allowed() {
    for (file, message) in [
        (
            "htpp = 1\n",
            "dispatch.toml, line 1, key `htpp`: unknown field `htpp`, expected one of `http`, `ws`, `data`, `cwd`, \
             `default_model`, `model_aliases`, `system_prompt`, `legacy_clients`, `log`, `allowed_origins`, \
             `allowed_hosts`, `auth`, `limits`, `tools`, `mcp`, `realtime`, `metering`, `credentials`",
        ),
        (
            "\n[auth]\nkeys = []\n",
            "dispatch.toml, line 3, key `auth.keys`: unknown field `keys`, expected one of `mode`, `api_keys`, \
             `api_key_env`",
        ),
        (
            "http = 'example.org'\n",
            "dispatch.toml, line 1, key `http`: `example.org`: not an address to listen on; write IP:PORT, \
             localhost:PORT, or the port alone for 127.0.0.1",
        ),
        (
            "model_aliases = { \"x\" = \"nobody/model\" }\n",
            "dispatch.toml, key `model_aliases`: `nobody/model` is not credential/model with a configured credential; \
             credentials are: demo",
        ),
        (
            "[limits]\ncompact_percent = 101\n",
            "dispatch.toml, key `limits.compact_percent`: `101` is more than 100 percent",
        ),
        (
            "[tools]\nsandbox = 'yes'\n",
            "dispatch.toml, line 2, key `tools.sandbox`: unknown variant `yes`, expected one of `auto`, `off`, `require`",
        ),
        (
            "[[credentials]]\nname = 'a'\nkind = 'gemini'\n",
            "dispatch.toml, line 3, key `credentials[0].kind`: unknown variant `gemini`, expected one of `openai`, \
             `anthropic`, `demo`",
        ),
        (
            "[[credentials]]\nname = 'a'\n",
            "dispatch.toml, line 1, key `credentials[0]`: missing field `kind`",
        ),
        (
            "[[credentials]]\nname = 'a'\nkind = 'openai'\nmodels = [3]\n",
            "dispatch.toml, line 4, key `credentials[0].models[0]`: a model is its id in quotes, or a table with `id`, \
             `context_window` and `vision`",
        ),
        (
            "[[credentials]]\nname = 'a'\nkind = 'demo'\nthinking = 'off'\n",
            "dispatch.toml, key `credentials.a.thinking`: a credential of kind `demo` has no such key",
        ),
        (
            "[[credentials]]\nname = 'a/b'\nkind = 'demo'\n",
            "dispatch.toml, key `credentials.a/b.name`: `a/b` cannot name a credential: no slash, no white space, not \
             empty",
        ),
        (
            "[[credentials]]\nname = 'a'\nkind = 'demo'\n[[credentials]]\nname = 'a'\nkind = 'demo'\n",
            "dispatch.toml, key `credentials.name`: `a` occurs twice",
        ),
        (
            "default_model = 'gpt'\n",
            "dispatch.toml, key `default_model`: `gpt` is not credential/model with a configured credential; \
             credentials are: demo",
        ),
        (
            "[auth]\nmode = 'none'\napi_keys = ['a']\n",
            "dispatch.toml, key `auth.mode`: `none` contradicts the keys that are configured; remove one or the other",
        ),
        (
            "[auth]\napi_key_env = 'NO_SUCH'\n",
            "dispatch.toml, key `auth.api_key_env`: the environment variable NO_SUCH is not set",
        ),
        (
            "[limits]\nstall_timeout = 0\n",
            "dispatch.toml, key `limits.stall_timeout`: 0 would let nothing happen; write for example 10m",
        ),
        (
            "[limits]\nbody_bytes = 5\n",
            "dispatch.toml, key `limits.body_bytes`: `5` is too little; at least 1 KiB",
        ),
        (
            "[limits]\nsteps = -1\n",
            "dispatch.toml, line 2, key `limits.steps`: `-1`: not a whole number, or too large; write 0, 1, 2 or more",
        ),
        (
            "[realtime]\nudp = ['0.0.0.0:1', '127.0.0.1:1']\n",
            "dispatch.toml, key `realtime.udp`: more than one address of IPv4, or of IPv6",
        ),
        (
            "[realtime]\nudp = []\n",
            "dispatch.toml, key `realtime.udp`: media has to arrive somewhere; write `enabled = false` for no realtime \
             sessions",
        ),
        (
            "[realtime]\npublic_addresses = ['example.org']\n",
            "dispatch.toml, line 2, key `realtime.public_addresses[0]`: `example.org`: invalid IP address syntax",
        ),
        (
            "[realtime]\nmax_sessions_per_key = 0\n",
            "dispatch.toml, key `realtime.max_sessions_per_key`: 0 would let nobody in; write `enabled = false` for no \
             realtime sessions",
        ),
        (
            "[[realtime.models]]\nname = 'a'\nwidth = 641\n",
            "dispatch.toml, key `realtime.models`: `a`: `width` is an even number from 16 to 4096, not 641",
        ),
        (
            "[[realtime.models]]\nname = 'a'\nfps = 0\n",
            "dispatch.toml, key `realtime.models`: `a`: `fps` is from 1 to 120, not 0",
        ),
        (
            "[[realtime.models]]\nname = 'a b'\n",
            "dispatch.toml, key `realtime.models`: `a b`: cannot name a model: no white space, not empty",
        ),
        (
            "[[realtime.models]]\nname = 'a'\n[[realtime.models]]\nname = 'a'\n",
            "dispatch.toml, key `realtime.models`: `a` occurs twice",
        ),
        (
            "[[realtime.models]]\nname = 'a'\ngenerator = 'dream'\n",
            "dispatch.toml, line 3, key `realtime.models[0].generator`: unknown variant `dream`, expected `passthrough` \
             or `restyle`",
        ),
        (
            "[[realtime.models]]\nname = 'a'\ncredits_per_second = -1\n",
            "dispatch.toml, line 3, key `realtime.models[0].credits_per_second`: a price must not be negative, and this \
             one is -1",
        ),
        (
            "[metering]\nprices = { 'nobody/model' = { input = 1 } }\n",
            "dispatch.toml, key `metering.prices`: `nobody/model` is not credential/model with a configured credential; \
             credentials are: demo",
        ),
        (
            "[metering]\nprices = { 'demo/demo' = { in = 1 } }\n",
            "dispatch.toml, line 2, key `metering.prices.demo/demo.in`: unknown field `in`, expected one of `input`, \
             `output`, `cached`",
        ),
        (
            "[metering]\nprices = { 'demo/demo' = 3 }\n",
            "dispatch.toml, line 2, key `metering.prices.demo/demo`: invalid type: integer `3`, expected a table with \
             `input`, `output` and `cached`, or a text of the form INPUT/OUTPUT/CACHED",
        ),
        (
            "[metering]\nwebhook_url = 'https://h/'\n",
            "dispatch.toml, key `metering.webhook_url`: what is posted is signed: `webhook_secret_env` names the variable \
             with the secret",
        ),
        (
            "[metering]\nwebhook_secret_env = 'K'\n",
            "dispatch.toml, key `metering.webhook_secret_env`: there is no `webhook_url`",
        ),
        (
            "[metering]\nwebhook_url = 'https://h/'\nwebhook_secret_env = 'NO_SUCH'\n",
            "dispatch.toml, key `metering.webhook_secret_env`: the environment variable NO_SUCH is not set",
        ),
        ("cwd = 'missing'\n", "dispatch.toml, key `cwd`: `missing` is not a directory"),
        (
            "log = 'info,=='\n",
            "dispatch.toml, key `log`: `info,==` is not a log filter; write a level (error, warn, info, debug, trace) \
             or directives like info,engine=debug",
        ),
    ] {
        assert_eq!(mistake(file, &[]), message);
    }
    assert!(mistake("a = 1\nb = \n", &[]).starts_with("dispatch.toml, line 2: "));
}

#[test]
fn a_mistake_in_a_variable_names_the_variable() {
    assert_eq!(
        mistake("", &[("DISPATCH_LIMITS__STEPS", "many")]),
        "environment variable DISPATCH_LIMITS__STEPS: `many`: not a whole number, or too large; write 0, 1, 2 or more"
    );
    assert_eq!(
        mistake("", &[("DISPATCH_DEFAULT_MODEL", "x/y")]),
        "environment variable DISPATCH_DEFAULT_MODEL: `x/y` is not credential/model with a configured credential; \
         credentials are: demo"
    );
    assert_eq!(
        mistake(
            "",
            &[("DISPATCH_CREDENTIALS__A__BASE_URL", "ftp://x"), ("DISPATCH_CREDENTIALS__A__KIND", "openai")]
        ),
        "environment variable DISPATCH_CREDENTIALS__A__BASE_URL: the base URL of credential \"a\" is not usable: it \
         begins with ftp:, not with http: or https:"
    );
    assert_eq!(
        mistake("", &[("DISPATCH_REALTIME__MODELS", "mirage, mine=dream")]),
        "environment variable DISPATCH_REALTIME__MODELS: `mine=dream`: not a model; write NAME=GENERATOR WIDTHxHEIGHT@FPS \
         CREDITS, for example mirage=restyle 1280x704@25 0.02"
    );
    assert_eq!(
        mistake("", &[("DISPATCH_METERING__PRICES", "demo/demo=3")]),
        "environment variable DISPATCH_METERING__PRICES: `3`: not a price of tokens; write INPUT/OUTPUT or \
         INPUT/OUTPUT/CACHED, for a million of each"
    );
    assert_eq!(
        mistake(
            "",
            &[
                ("DISPATCH_METERING__WEBHOOK_URL", "ftp://h"),
                ("DISPATCH_METERING__WEBHOOK_SECRET_ENV", "K"),
                ("K", "hush")
            ]
        ),
        "environment variable DISPATCH_METERING__WEBHOOK_URL: not a URL that begins with https:// or http://"
    );
    let loaded =
        read("", &[("DISPATCH_HTPP", "1"), ("DISPATCH_SERVER", "u"), ("DISPATCH_API_KEY", "k")]).unwrap();
    assert_eq!(loaded.warnings, ["DISPATCH_HTPP is set, but there is no such setting"]);
}

#[test]
fn a_credential_whose_variable_is_not_set_is_a_warning() {
    let file = "[[credentials]]\nname = 'a'\nkind = 'openai'\napi_key_env = 'NO_SUCH'\n";
    let warnings = read(file, &[]).unwrap().warnings;
    assert_eq!(warnings, ["credential `a` has no key: the environment variable NO_SUCH is not set"]);
}

#[test]
fn no_key_is_ever_shown() {
    for file in [
        "[auth]\napi_keys = [98765]\n",
        "[auth]\napi_keys = 98765\n",
        "[auth]\napi_keys = 98765.5\n",
        "[auth]\napi_key_env = 'sk-98765'\n",
        "[[credentials]]\nname = 'a'\nkind = 'openai'\napi_key_env = 'sk-98765'\n",
        "[[credentials]]\nname = 'a'\nkind = 'openai'\napi_key = 98765\n",
        "[[credentials]]\nname = 'a'\nkind = 'openai'\napi_key = 98765x\n",
        "[[credentials]]\nname = 'a'\nkind = 'openai'\napi_key = \"98765\n",
        "[[credentials]]\nname = 'a'\nkind = 'openai'\napi_key = \"98765\\u0001\"\n",
        "[[credentials]]\nname = 'a'\nkind = 'openai'\napi_key = '98765'\napi_key_env = 'X'\n",
        "[[credentials]]\nname = 'a'\nkind = 'openai'\nbase_url = 'ftp://u:98765@h/?k=98765'\n",
    ] {
        let message = mistake(file, &[]);
        assert!(!message.contains("98765"), "{message}");
    }
    let file = "[auth]\napi_keys = ['98765']\n[[credentials]]\nname = 'a'\nkind = 'openai'\napi_key = '98765'\n\
                base_url = 'http://u:98765@h:1/v1?key=98765'\n";
    let config = config(file, &[]);
    let shown = toml::to_string(&config).unwrap();
    assert!(shown.contains("base_url = \"http://h:1/v1\""), "{shown}");
    assert!(!shown.contains("98765"), "{shown}");
    assert_eq!(config.credentials[0].place().as_deref(), Some("http://h:1/v1"));
}
