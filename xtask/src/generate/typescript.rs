//! Declarations as TypeScript.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};

use super::declaration::{self, Declaration, Field, Shape, Type};
use super::modules::Module;
use super::{HEADER, Output};

const FOLDER: &str = "clients/typescript/src";

/// One file for each module, and an index of them.
pub(super) fn files(modules: &[Module]) -> Result<Vec<Output>> {
    let declared: Vec<(&Module, Vec<Declaration>)> = modules
        .iter()
        .map(|module| {
            let each = module.types.iter().map(declaration::declarations);
            Ok((module, each.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect()))
        })
        .collect::<Result<_>>()?;
    let mut homes = BTreeMap::new();
    for (module, declarations) in &declared {
        for declaration in declarations {
            let other = homes.insert(declaration.name.as_str(), module.name);
            ensure!(other.is_none(), "two types have the name {}", declaration.name);
        }
    }
    let mut files = Vec::new();
    for (module, declarations) in &declared {
        files.push(Output {
            path: format!("{FOLDER}/{}.ts", module.name),
            content: file(module, declarations, &homes)?,
        });
    }
    let exports = modules.iter().map(|module| format!("export type * from \"./{}.js\";\n", module.name));
    files.push(Output {
        path: format!("{FOLDER}/index.ts"),
        content: format!("{HEADER}\n\n{}", exports.collect::<String>()),
    });
    Ok(files)
}

/// The text of a module's file. `homes` says which module declares a name.
fn file(module: &Module, declarations: &[Declaration], homes: &BTreeMap<&str, &str>) -> Result<String> {
    let mut text = format!("{HEADER}\n//\n// {}\n", module.doc);
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for name in declarations.iter().flat_map(names) {
        let home = *homes
            .get(name)
            .with_context(|| format!("{name} is used in {} but not declared", module.name))?;
        if home != module.name {
            imports.entry(home).or_default().insert(name);
        }
    }
    if !imports.is_empty() {
        text.push('\n');
    }
    for (home, names) in imports {
        let names: Vec<&str> = names.into_iter().collect();
        let _ = writeln!(text, "import type {{ {} }} from \"./{home}.js\";", names.join(", "));
    }
    for declaration in declarations {
        text.push('\n');
        text.push_str(&print(declaration));
    }
    Ok(text)
}

/// The names of all types that a declaration refers to.
fn names(declaration: &Declaration) -> Vec<&str> {
    let mut names = Vec::new();
    let mut found = |name| names.push(name);
    match &declaration.shape {
        Shape::Interface(fields) => fields.iter().for_each(|field| field.of.visit_names(&mut found)),
        Shape::Union(members) => members.iter().for_each(|member| member.of.visit_names(&mut found)),
        Shape::Alias(of) => of.visit_names(&mut found),
        Shape::Brand => {}
    }
    names
}

fn print(Declaration { name, doc, shape }: &Declaration) -> String {
    let mut text = doc.as_deref().map(|doc| comment(doc, "")).unwrap_or_default();
    match shape {
        Shape::Interface(fields) => {
            let _ = writeln!(text, "export interface {name} {{");
            for Field { name, doc, optional, of } in fields {
                text.push_str(&doc.as_deref().map(|doc| comment(doc, "  ")).unwrap_or_default());
                let mark = if *optional { "?" } else { "" };
                let _ = writeln!(text, "  readonly {name}{mark}: {};", expression(of));
            }
            text.push_str("}\n");
        }
        Shape::Union(members) => {
            let _ = write!(text, "export type {name} =");
            for member in members {
                text.push('\n');
                text.push_str(&member.doc.as_deref().map(|doc| comment(doc, "  ")).unwrap_or_default());
                let _ = write!(text, "  | {}", expression(&member.of));
            }
            text.push_str(";\n");
        }
        Shape::Alias(of) => {
            let _ = writeln!(text, "export type {name} = {};", expression(of));
        }
        Shape::Brand => {
            let _ = writeln!(text, "export type {name} = string & {{ readonly __brand: \"{name}\" }};");
        }
    }
    text
}

fn expression(of: &Type) -> String {
    match of {
        Type::Unknown => "unknown".into(),
        Type::Null => "null".into(),
        Type::Boolean => "boolean".into(),
        Type::Number => "number".into(),
        Type::String => "string".into(),
        Type::Literal(text) => format!("{text:?}"),
        Type::Named(name) => name.clone(),
        Type::Array(of) => match **of {
            Type::OneOf(_) => format!("readonly ({})[]", expression(of)),
            _ => format!("readonly {}[]", expression(of)),
        },
        Type::Record(of) => format!("{{ readonly [key: string]: {} }}", expression(of)),
        Type::OneOf(types) => types.iter().map(expression).collect::<Vec<_>>().join(" | "),
    }
}

/// Rust documentation as a JSDoc comment.
fn comment(doc: &str, indent: &str) -> String {
    // The links of rustdoc lead nowhere here: what they name stays, the brackets go.
    let doc = doc.replace("[`", "`").replace("`]", "`").replace("*/", "*\u{200b}/");
    let lines: Vec<&str> = doc.lines().map(str::trim_end).collect();
    match lines.as_slice() {
        [line] => format!("{indent}/** {line} */\n"),
        lines => {
            let mut text = format!("{indent}/**\n");
            for line in lines {
                let gap = if line.is_empty() { "" } else { " " };
                let _ = writeln!(text, "{indent} *{gap}{line}");
            }
            let _ = writeln!(text, "{indent} */");
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::generate::modules::Definition;

    fn module(name: &'static str, types: &[(&str, Value)]) -> Module {
        let definition =
            |(name, schema): &(&str, Value)| Definition { name: (*name).to_owned(), schema: schema.clone() };
        Module { name, doc: "For tests.", types: types.iter().map(definition).collect() }
    }

    #[test]
    fn a_file_reads_like_one_written_by_hand() {
        let wire = module(
            "wire",
            &[
                ("StepId", json!({ "type": "string", "x-brand": "StepId", "description": "Opaque." })),
                (
                    "Role",
                    json!({ "oneOf": [
                        { "const": "user", "type": "string", "description": "The person." },
                        { "const": "tool", "type": "string" },
                    ] }),
                ),
                (
                    "Chunk",
                    json!({ "description": "A piece.", "oneOf": [{
                        "title": "CallChunk",
                        "description": "First line.\n\nSee [`Other`] and */.",
                        "type": "object",
                        "properties": {
                            "input": { "description": "Anything." },
                            "stepId": { "$ref": "#/$defs/StepId" },
                            "tags": { "type": "array", "items": { "type": ["string", "null"] } },
                            "type": { "const": "tool-call", "type": "string" },
                        },
                        "required": ["type", "input", "tags"],
                    }] }),
                ),
            ],
        );
        let other = module(
            "other",
            &[(
                "Index",
                json!({
                    "type": "object",
                    "properties": { "by": { "type": "object", "additionalProperties": { "$ref": "#/$defs/Chunk" } } },
                    "required": ["by"],
                }),
            )],
        );
        let files: Vec<(String, String)> =
            files(&[wire, other]).unwrap().into_iter().map(|file| (file.path, file.content)).collect();
        let expected = [
            (
                "clients/typescript/src/wire.ts".to_owned(),
                format!(
                    r#"{HEADER}
//
// For tests.

/** Opaque. */
export type StepId = string & {{ readonly __brand: "StepId" }};

export type Role =
  /** The person. */
  | "user"
  | "tool";

/** A piece. */
export type Chunk =
  | CallChunk;

/**
 * First line.
 *
 * See `Other` and *{zero_width}/.
 */
export interface CallChunk {{
  readonly type: "tool-call";
  /** Anything. */
  readonly input: unknown;
  readonly tags: readonly (string | null)[];
  readonly stepId?: StepId;
}}
"#,
                    zero_width = '\u{200b}'
                ),
            ),
            (
                "clients/typescript/src/other.ts".to_owned(),
                format!(
                    r#"{HEADER}
//
// For tests.

import type {{ Chunk }} from "./wire.js";

export interface Index {{
  readonly by: {{ readonly [key: string]: Chunk }};
}}
"#
                ),
            ),
            (
                "clients/typescript/src/index.ts".to_owned(),
                format!(
                    "{HEADER}\n\nexport type * from \"./wire.js\";\nexport type * from \"./other.js\";\n"
                ),
            ),
        ];
        assert_eq!(files, expected);
    }

    #[test]
    fn a_name_is_declared_once_and_nothing_refers_to_an_unknown_one() {
        let text = || ("Same", json!({ "type": "string" }));
        let twice = files(&[module("one", &[text()]), module("two", &[text()])]);
        assert_eq!(twice.err().unwrap().to_string(), "two types have the name Same");
        let lost = files(&[module("one", &[("User", json!({ "$ref": "#/$defs/Lost" }))])]);
        assert_eq!(lost.err().unwrap().to_string(), "Lost is used in one but not declared");
    }
}
