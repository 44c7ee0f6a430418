//! What the server can do, as a table: each [`Operation`] has its route, its handler and its description.
//!
//! The router is made of the handlers and the OpenAPI document of the descriptions, so that no route is without its
//! documentation and no documentation is of a route that is not there.

mod asyncapi;
mod document;
mod schemas;

use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;
use wire::ErrorCode;

use crate::{App, routes};

/// The document at `/openapi.json`.
pub(crate) static OPENAPI: LazyLock<Bytes> = LazyLock::new(|| written(&document::of(&routes::groups())));

/// The document at `/asyncapi.json`.
pub(crate) static ASYNCAPI: LazyLock<Bytes> = LazyLock::new(|| written(&asyncapi::document()));

/// Operations that belong together.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    /// A sentence or two.
    pub(crate) about: &'static str,
    pub(crate) operations: Vec<Operation>,
}

/// One route with one method.
pub(crate) struct Operation {
    method: &'static str,
    /// As the router and OpenAPI both write it: `/conversations/{id}`.
    path: &'static str,
    handler: MethodRouter<App>,
    /// Unique: what generated clients call it.
    id: &'static str,
    /// A few words.
    summary: &'static str,
    description: &'static str,
    /// In the query or the header; those of the path are known from it.
    parameters: Vec<Parameter>,
    body: Option<Body>,
    answers: Vec<Answer>,
    /// Besides those that every operation of its kind can have.
    errors: Vec<ErrorCode>,
    /// Whether `?api_key=` is taken.
    key_in_query: bool,
}

struct Parameter {
    name: &'static str,
    place: &'static str,
    kind: Kind,
    about: &'static str,
    /// Required if there is one.
    example: Option<&'static str>,
}

/// What a parameter may be.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Flag,
    /// An integer of at least so much.
    Integer(u64),
    OneOf(&'static [&'static str]),
}

struct Body {
    shape: Shape,
    /// Whether a missing or unreadable body counts as an empty one.
    optional: bool,
    example: Value,
}

struct Answer {
    status: u16,
    about: &'static str,
    content_type: &'static str,
    /// None: it is not JSON.
    shape: Option<Shape>,
    /// Names of headers and what they say.
    headers: Vec<(&'static str, &'static str)>,
    /// Of a refusal: its codes.
    codes: Vec<ErrorCode>,
}

/// The schema of a type.
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The schema of a body: a type, or all the fields of several.
enum Shape {
    Of(Vec<SchemaOf>),
    /// A component that is put together here; see [`schemas`].
    Component(&'static str),
}

macro_rules! methods {
    ($($name:ident = $method:literal,)*) => {$(
        /// An operation with that method, called by that name.
        pub(crate) fn $name<H, T>(path: &'static str, handler: H, id: &'static str) -> Operation
        where
            H: Handler<T, App>,
            T: 'static,
        {
            Operation::new($method, path, routing::$name(handler), id)
        }
    )*};
}

methods! {
    get = "get",
    put = "put",
    post = "post",
    delete = "delete",
}

impl Operation {
    fn new(method: &'static str, path: &'static str, handler: MethodRouter<App>, id: &'static str) -> Self {
        Self {
            method,
            path,
            handler,
            id,
            summary: "",
            description: "",
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            errors: Vec::new(),
            key_in_query: false,
        }
    }

    /// What it is for, in a few words and in a few sentences.
    pub(crate) fn says(mut self, summary: &'static str, description: &'static str) -> Self {
        (self.summary, self.description) = (summary, description);
        self
    }

    /// An optional parameter of the query.
    pub(crate) fn query(self, name: &'static str, kind: Kind, about: &'static str) -> Self {
        self.parameter(Parameter { name, place: "query", kind, about, example: None })
    }

    /// A required parameter of the query.
    pub(crate) fn required_query(
        self,
        name: &'static str,
        kind: Kind,
        about: &'static str,
        example: &'static str,
    ) -> Self {
        self.parameter(Parameter { name, place: "query", kind, about, example: Some(example) })
    }

    /// An optional header.
    pub(crate) fn header(self, name: &'static str, kind: Kind, about: &'static str) -> Self {
        self.parameter(Parameter { name, place: "header", kind, about, example: None })
    }

    fn parameter(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Takes a body of that type.
    pub(crate) fn takes<T: JsonSchema>(self, example: Value) -> Self {
        self.body(vec![of::<T>()], false, example)
    }

    /// Takes a body with the fields of both types.
    pub(crate) fn takes_both<T: JsonSchema, Extras: JsonSchema>(self, example: Value) -> Self {
        self.body(vec![of::<T>(), of::<Extras>()], false, example)
    }

    /// Takes a body of that type; without one, or with one that cannot be read, its defaults hold.
    pub(crate) fn may_take<T: JsonSchema>(self, example: Value) -> Self {
        self.body(vec![of::<T>()], true, example)
    }

    fn body(mut self, types: Vec<SchemaOf>, optional: bool, example: Value) -> Self {
        self.body = Some(Body { shape: Shape::Of(types), optional, example });
        self
    }

    /// Answers with status 200 and that type.
    pub(crate) fn answers<T: JsonSchema>(self, about: &'static str) -> Self {
        self.answers_as::<T>(200, about)
    }

    /// Answers with that status and type.
    pub(crate) fn answers_as<T: JsonSchema>(self, status: u16, about: &'static str) -> Self {
        let shape = Some(Shape::Of(vec![of::<T>()]));
        self.answer(Answer {
            status,
            about,
            content_type: JSON,
            shape,
            headers: Vec::new(),
            codes: Vec::new(),
        })
    }

    /// Refuses with that status and type, in a way that is not that of other operations.
    pub(crate) fn refuses_as<T: JsonSchema>(
        self,
        status: u16,
        codes: &[ErrorCode],
        about: &'static str,
    ) -> Self {
        let shape = Some(Shape::Of(vec![of::<T>()]));
        let codes = codes.to_vec();
        self.answer(Answer { status, about, content_type: JSON, shape, headers: Vec::new(), codes })
    }

    /// Answers with a stream of events of turns.
    pub(crate) fn streams(self, content_type: &'static str, about: &'static str) -> Self {
        let shape = Some(Shape::Component(schemas::STREAMED_EVENT));
        self.answer(Answer {
            status: 200,
            about,
            content_type,
            shape,
            headers: Vec::new(),
            codes: Vec::new(),
        })
    }

    /// Answers with something that is not JSON, or JSON that has a schema elsewhere.
    pub(crate) fn gives(self, content_type: &'static str, about: &'static str) -> Self {
        self.answer(Answer {
            status: 200,
            about,
            content_type,
            shape: None,
            headers: Vec::new(),
            codes: Vec::new(),
        })
    }

    fn answer(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    /// The last answer has that header.
    pub(crate) fn with_header(mut self, name: &'static str, about: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, about));
        }
        self
    }

    /// Can fail with these as well.
    pub(crate) fn fails(mut self, errors: &[ErrorCode]) -> Self {
        self.errors.extend(errors);
        self
    }

    /// Takes the key from the query, for clients that cannot send a header.
    pub(crate) fn takes_key_in_query(mut self) -> Self {
        self.key_in_query = true;
        self
    }
}

const JSON: &str = "application/json";

fn of<T: JsonSchema>() -> SchemaOf {
    SchemaGenerator::subschema_for::<T>
}

/// The router of a table.
pub(crate) fn router(groups: Vec<Group>) -> Router<App> {
    let operations = groups.into_iter().flat_map(|group| group.operations);
    operations.fold(Router::new(), |router, operation| router.route(operation.path, operation.handler))
}

fn written(document: &Value) -> Bytes {
    // Writing a value to memory does not fail.
    serde_json::to_vec(document).unwrap_or_default().into()
}
