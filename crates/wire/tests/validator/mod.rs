//! Just enough of JSON Schema to check what the published schemas say.

use serde_json::{Map, Value};

/// Why the value is not what the schema asks for; `Ok` if it is. `root` holds the definitions that the schema refers to.
pub(crate) fn check(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let Value::Object(keywords) = schema else {
        return if schema == &Value::Bool(true) { Ok(()) } else { Err("nothing is allowed here".into()) };
    };
    for (keyword, wanted) in keywords {
        match keyword.as_str() {
            "$schema" | "$defs" | "description" | "title" | "format" | "x-brand" => {}
            "$ref" => check(root, target(root, wanted), value)?,
            "type" => typed(wanted, value)?,
            "const" => ensure(value == wanted, || format!("{value} is not {wanted}"))?,
            "enum" => ensure(list(wanted).contains(value), || format!("{value} is not among {wanted}"))?,
            "minimum" => {
                let too_small = value.as_f64().is_some_and(|number| number < wanted.as_f64().unwrap());
                ensure(!too_small, || format!("{value} is less than {wanted}"))?;
            }
            "oneOf" => {
                let fits = list(wanted).iter().filter(|choice| check(root, choice, value).is_ok()).count();
                ensure(fits == 1, || format!("{value} fits {fits} choices instead of one"))?;
            }
            "allOf" => {
                for part in list(wanted) {
                    check(root, part, value)?;
                }
            }
            "anyOf" => {
                let fits = list(wanted).iter().any(|choice| check(root, choice, value).is_ok());
                ensure(fits, || format!("{value} fits no choice"))?;
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    check(root, wanted, item)?;
                }
            }
            "properties" => {
                for (name, property) in wanted.as_object().unwrap() {
                    if let Some(field) = value.get(name) {
                        check(root, property, field).map_err(|error| format!("{name}: {error}"))?;
                    }
                }
            }
            "required" => {
                if let Value::Object(fields) = value {
                    let missing =
                        list(wanted).iter().find(|name| !fields.contains_key(name.as_str().unwrap()));
                    ensure(missing.is_none(), || format!("{} is missing", missing.unwrap()))?;
                }
            }
            "additionalProperties" => {
                let none = Map::new();
                let known = keywords.get("properties").map_or(&none, |known| known.as_object().unwrap());
                for (name, field) in value.as_object().into_iter().flatten() {
                    if !known.contains_key(name) {
                        check(root, wanted, field).map_err(|error| format!("{name}: {error}"))?;
                    }
                }
            }
            other => {
                panic!("the published schemas use the keyword `{other}`, which this validator does not know")
            }
        }
    }
    Ok(())
}

fn target<'a>(root: &'a Value, reference: &Value) -> &'a Value {
    let path = reference.as_str().unwrap().strip_prefix('#').unwrap();
    root.pointer(path).unwrap_or_else(|| panic!("nothing is at {reference}"))
}

fn typed(wanted: &Value, value: &Value) -> Result<(), String> {
    let is = |name: &Value| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("`{other}` is not a type"),
    };
    let fits = match wanted {
        Value::Array(names) => names.iter().any(is),
        name => is(name),
    };
    ensure(fits, || format!("{value} is not of type {wanted}"))
}

fn ensure(holds: bool, error: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(error()) }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}
