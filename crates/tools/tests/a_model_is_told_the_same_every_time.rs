//! What a model is told of the tools, byte by byte: a change of it makes every prompt cache miss once, so it must be seen
//! in a review.

use std::path::Path;

use serde_json::{Value, json};
use tools::Settings;

fn told(settings: Settings) -> String {
    let specs: Vec<Value> = tools::builtin(settings)
        .iter()
        .map(|tool| {
            let spec = tool.spec();
            json!({
                "name": spec.name,
                "description": spec.description,
                "exclusive": spec.exclusive,
                "input_schema": spec.input_schema,
            })
        })
        .collect();
    serde_json::to_string_pretty(&specs).unwrap() + "\n"
}

#[test]
fn the_specs_are_the_ones_under_version_control() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specs.json");
    let told = told(Settings::default());
    if std::env::var_os("UPDATE_SPECS").is_some() {
        std::fs::write(&file, &told).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    assert_eq!(told, expected, "run with UPDATE_SPECS=1 to accept the change");
}

#[test]
fn the_specs_do_not_depend_on_the_settings() {
    let settings = Settings {
        sandbox: tools::Sandbox { mode: tools::Mode::Off, extra_writable: vec!["/cache".into()] },
        protected: vec!["/data".into()],
        live_output_limit: 1,
        ..Settings::default()
    };
    assert_eq!(told(settings), told(Settings::default()));
}
