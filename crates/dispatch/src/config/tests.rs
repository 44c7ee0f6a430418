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
    let variables = [("CHAT_KEY", "k"), ("ANTHROPIC_API_KEY", "k"), ("LOCAL_KEY", "k")];
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
                Value::Table(table) if path != "tools.set_env" && path != "model_aliases" => {
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
             `allowed_hosts`, `auth`, `limits`, `tools`, `mcp`, `credentials`",
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
