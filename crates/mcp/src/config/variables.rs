//! `${NAME}` in values.

/// Where the values of variables come from.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Fills in `${NAME}`, `${env:NAME}` and `${NAME:-default}`. What a variable holds is not looked at again.
pub(super) fn fill(text: &str, variables: Variables<'_>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("${") {
        let Some((inside, after)) = from.split_once('}') else {
            return Err("has \"${\" without \"}\"".to_owned());
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let name = name.strip_prefix("env:").unwrap_or(name);
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!(
                "uses ${{{inside}}}; only ${{NAME}}, ${{env:NAME}} and ${{NAME:-default}} are known"
            ));
        }
        let value = variables(name).or_else(|| default.map(str::to_owned));
        filled.push_str(before);
        filled.push_str(&value.ok_or_else(|| format!("uses ${{{name}}}, which is not set"))?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}
