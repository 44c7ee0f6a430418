//! What a JSON Schema declares, in the terms of a type system.
//!
//! Reads the part of JSON Schema that the wire types use and refuses the rest: a keyword that is not understood here is
//! an error, never a type that says less than its schema.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

use super::modules::Definition;
use super::schema::referenced;

/// A name that a file exports.
#[derive(Debug, PartialEq)]
pub(super) struct Declaration {
    pub(super) name: String,
    pub(super) doc: Option<String>,
    pub(super) shape: Shape,
}

#[derive(Debug, PartialEq)]
pub(super) enum Shape {
    /// An object with named fields.
    Interface(Vec<Field>),
    /// One of several.
    Union(Vec<Member>),
    /// Another name for a type.
    Alias(Type),
    /// A string that no other string passes for.
    Brand,
}

#[derive(Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) doc: Option<String>,
    pub(super) optional: bool,
    pub(super) of: Type,
}

#[derive(Debug, PartialEq)]
pub(super) struct Member {
    pub(super) doc: Option<String>,
    pub(super) of: Type,
}

#[derive(Debug, PartialEq)]
pub(super) enum Type {
    /// Any JSON value.
    Unknown,
    Null,
    Boolean,
    Number,
    String,
    /// Exactly this string.
    Literal(String),
    /// The declaration of that name.
    Named(String),
    Array(Box<Type>),
    /// An object with any keys.
    Record(Box<Type>),
    OneOf(Vec<Type>),
}

impl Type {
    /// Calls `found` with the name of every declaration that the type refers to.
    pub(super) fn visit_names<'a>(&'a self, found: &mut impl FnMut(&'a str)) {
        match self {
            Self::Unknown | Self::Null | Self::Boolean | Self::Number | Self::String | Self::Literal(_) => {}
            Self::Named(name) => found(name),
            Self::Array(of) | Self::Record(of) => of.visit_names(found),
            Self::OneOf(types) => types.iter().for_each(|of| of.visit_names(found)),
        }
    }
}

/// What a definition declares: itself, and each titled variant of a union as a type of its own.
pub(super) fn declarations(definition: &Definition) -> Result<Vec<Declaration>> {
    read(definition).with_context(|| format!("in the schema of {}", definition.name))
}

fn read(Definition { name, schema }: &Definition) -> Result<Vec<Declaration>> {
    let object = keywords(schema)?;
    let declaration = |shape| Declaration { name: name.clone(), doc: text(object, "description"), shape };
    if object.contains_key("x-brand") {
        ensure!(text(object, "type").as_deref() == Some("string"), "only strings can be branded");
        return Ok(vec![declaration(Shape::Brand)]);
    }
    if object.contains_key("properties") {
        return Ok(vec![declaration(Shape::Interface(fields(object)?))]);
    }
    let Some(variants) = object.get("oneOf") else {
        return Ok(vec![declaration(Shape::Alias(type_of(schema)?))]);
    };
    let mut members = Vec::new();
    let mut own = Vec::new();
    for variant in list(variants)? {
        let object = keywords(variant)?;
        match text(object, "title") {
            Some(title) => {
                let shape = Shape::Interface(fields(object).with_context(|| format!("in {title}"))?);
                own.push(Declaration { name: title.clone(), doc: text(object, "description"), shape });
                members.push(Member { doc: None, of: Type::Named(title) });
            }
            None => members.push(Member { doc: text(object, "description"), of: type_of(variant)? }),
        }
    }
    let mut declarations = vec![declaration(Shape::Union(members))];
    declarations.extend(own);
    Ok(declarations)
}

/// An object's fields: the required ones in the order of the Rust type, then the optional ones by name.
fn fields(object: &Map<String, Value>) -> Result<Vec<Field>> {
    let Some(Value::Object(properties)) = object.get("properties") else {
        bail!("an object without fields has no place on the wire");
    };
    let field = |name: &str, schema, optional| -> Result<Field> {
        let of = type_of(schema).with_context(|| format!("in the field {name}"))?;
        let doc = schema.as_object().and_then(|object| text(object, "description"));
        Ok(Field { name: name.to_owned(), doc, optional, of })
    };
    let mut fields = Vec::new();
    for name in object.get("required").map(list).transpose()?.unwrap_or_default() {
        let name = name.as_str().context("`required` lists names")?;
        let schema =
            properties.get(name).with_context(|| format!("the required field {name} has no schema"))?;
        fields.push(field(name, schema, false)?);
    }
    for (name, schema) in properties {
        if !fields.iter().any(|field: &Field| field.name == *name) {
            fields.push(field(name, schema, true)?);
        }
    }
    Ok(fields)
}

fn type_of(schema: &Value) -> Result<Type> {
    if *schema == Value::Bool(true) {
        return Ok(Type::Unknown);
    }
    let object = keywords(schema)?;
    if let Some(reference) = text(object, "$ref") {
        let name = referenced(&reference).with_context(|| format!("{reference} is not a definition"))?;
        return Ok(Type::Named(name.to_owned()));
    }
    if let Some(value) = object.get("const") {
        return literal(value);
    }
    if let Some(values) = object.get("enum") {
        return Ok(one_of(list(values)?.iter().map(literal).collect::<Result<_>>()?));
    }
    if let Some(choices) = object.get("oneOf").or(object.get("anyOf")) {
        return Ok(one_of(list(choices)?.iter().map(type_of).collect::<Result<_>>()?));
    }
    match object.get("type") {
        None => Ok(Type::Unknown),
        Some(Value::Array(names)) => {
            Ok(one_of(names.iter().map(|name| plain(name, object)).collect::<Result<_>>()?))
        }
        Some(name) => plain(name, object),
    }
}

fn plain(name: &Value, object: &Map<String, Value>) -> Result<Type> {
    Ok(match name.as_str() {
        Some("null") => Type::Null,
        Some("boolean") => Type::Boolean,
        Some("integer" | "number") => Type::Number,
        Some("string") => Type::String,
        Some("array") => {
            let items = object.get("items").context("an array needs `items`")?;
            Type::Array(Box::new(type_of(items)?))
        }
        Some("object") => {
            ensure!(!object.contains_key("properties"), "an object within another needs a name of its own");
            let values = object.get("additionalProperties").context("an object needs fields or values")?;
            Type::Record(Box::new(type_of(values)?))
        }
        _ => bail!("{name} is not a type"),
    })
}

fn one_of(mut types: Vec<Type>) -> Type {
    if types.len() == 1 { types.remove(0) } else { Type::OneOf(types) }
}

fn literal(value: &Value) -> Result<Type> {
    let text = value.as_str().with_context(|| format!("{value} is a constant, but not a string"))?;
    Ok(Type::Literal(text.to_owned()))
}

const UNDERSTOOD: [&str; 15] = [
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "description",
    "enum",
    "format",
    "items",
    "minimum",
    "oneOf",
    "properties",
    "required",
    "title",
    "type",
    "x-brand",
];

fn keywords(schema: &Value) -> Result<&Map<String, Value>> {
    let object = schema.as_object().with_context(|| format!("{schema} is not a schema"))?;
    match object.keys().find(|keyword| !UNDERSTOOD.contains(&keyword.as_str())) {
        Some(keyword) => bail!("the keyword `{keyword}` is not understood"),
        None => Ok(object),
    }
}

fn list(value: &Value) -> Result<&[Value]> {
    value.as_array().map(Vec::as_slice).with_context(|| format!("{value} is not a list"))
}

fn text(object: &Map<String, Value>, keyword: &str) -> Option<String> {
    object.get(keyword).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(schema: Value) -> Result<Vec<Declaration>> {
        declarations(&Definition { name: "Thing".into(), schema })
    }

    fn field(name: &str, optional: bool, of: Type) -> Field {
        Field { name: name.into(), doc: None, optional, of }
    }

    #[test]
    fn an_object_is_an_interface_with_its_optional_fields_last() {
        let declared = read(json!({
            "description": "A thing.",
            "type": "object",
            "properties": {
                "any": {},
                "by": { "type": "object", "additionalProperties": { "$ref": "#/$defs/Other" } },
                "count": { "type": "integer", "format": "uint64", "minimum": 0, "description": "How many." },
                "list": { "type": "array", "items": { "type": "string" } },
                "maybe": { "type": "boolean" },
                "none": { "anyOf": [{ "$ref": "#/$defs/Other" }, { "type": "null" }] },
                "or": { "type": ["string", "null"] },
                "stream": { "oneOf": [{ "const": "stdout" }, { "const": "stderr" }] },
            },
            "required": ["or", "count", "list", "by", "none", "stream"],
        }));
        let other = || Type::Named("Other".into());
        let expected = Declaration {
            name: "Thing".into(),
            doc: Some("A thing.".into()),
            shape: Shape::Interface(vec![
                field("or", false, Type::OneOf(vec![Type::String, Type::Null])),
                Field { doc: Some("How many.".into()), ..field("count", false, Type::Number) },
                field("list", false, Type::Array(Box::new(Type::String))),
                field("by", false, Type::Record(Box::new(other()))),
                field("none", false, Type::OneOf(vec![other(), Type::Null])),
                field(
                    "stream",
                    false,
                    Type::OneOf(vec![Type::Literal("stdout".into()), Type::Literal("stderr".into())]),
                ),
                field("any", true, Type::Unknown),
                field("maybe", true, Type::Boolean),
            ]),
        };
        assert_eq!(declared.unwrap(), [expected]);
    }

    #[test]
    fn a_titled_variant_is_a_type_of_its_own() {
        let declared = read(json!({
            "oneOf": [{
                "title": "TextThing",
                "description": "Text.",
                "type": "object",
                "properties": { "type": { "const": "text", "type": "string" } },
                "required": ["type"],
            }],
        }));
        let expected = [
            Declaration {
                name: "Thing".into(),
                doc: None,
                shape: Shape::Union(vec![Member { doc: None, of: Type::Named("TextThing".into()) }]),
            },
            Declaration {
                name: "TextThing".into(),
                doc: Some("Text.".into()),
                shape: Shape::Interface(vec![field("type", false, Type::Literal("text".into()))]),
            },
        ];
        assert_eq!(declared.unwrap(), expected);
    }

    #[test]
    fn names_of_an_enum_keep_what_is_said_about_each() {
        let declared =
            read(json!({ "oneOf": [{ "const": "low", "type": "string", "description": "The least." }] }));
        let members = vec![Member { doc: Some("The least.".into()), of: Type::Literal("low".into()) }];
        assert_eq!(
            declared.unwrap(),
            [Declaration { name: "Thing".into(), doc: None, shape: Shape::Union(members) }]
        );
    }

    #[test]
    fn a_brand_is_more_than_a_string() {
        let declared = read(json!({ "type": "string", "x-brand": "Thing" })).unwrap();
        assert_eq!(declared, [Declaration { name: "Thing".into(), doc: None, shape: Shape::Brand }]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let refused = |schema: Value| format!("{:#}", read(schema).unwrap_err());
        assert_eq!(
            refused(json!({ "type": "string", "pattern": "^a" })),
            "in the schema of Thing: the keyword `pattern` is not understood"
        );
        assert_eq!(
            refused(
                json!({ "type": "object", "properties": { "a": { "type": "object", "properties": {} } } })
            ),
            "in the schema of Thing: in the field a: an object within another needs a name of its own"
        );
        assert_eq!(
            refused(json!({ "const": 7 })),
            "in the schema of Thing: 7 is a constant, but not a string"
        );
    }
}
