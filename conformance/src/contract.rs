//! The shapes that the contract gives to what a server sends, and the one place that compares.
//!
//! Known types only; required fields are there; optional ones are left out rather than null; fields that the
//! contract does not know are allowed unless they are null.

use serde_json::Value;

use crate::check::{Outcome, failed, shown};

/// What a value must look like.
pub(crate) enum Shape {
    /// Any string.
    Text,
    /// A string that is not empty.
    Name,
    Flag,
    /// A whole number from 0.
    Count,
    /// A whole number from 1.
    Ordinal,
    Number,
    /// Whatever JSON can say, null included.
    Anything,
    OneOf(&'static [&'static str]),
    Record(&'static [Field]),
    List(&'static Shape),
    OrNull(&'static Shape),
    /// Records that are told apart by a field.
    Variants(&'static str, &'static [(&'static str, &'static [Field])]),
}

pub(crate) struct Field {
    name: &'static str,
    required: bool,
    shape: &'static Shape,
}

/// The field is always there.
const fn has(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, required: true, shape }
}

/// The field may be left out, and is never null.
const fn may(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, required: false, shape }
}

use Shape::{Anything, Count, Flag, List, Name, Number, OneOf, OrNull, Ordinal, Record, Text, Variants};

static STEP_USAGE: Shape = Record(&[
    has("inputTokens", &Count),
    has("outputTokens", &Count),
    may("cacheReadTokens", &Count),
    may("cacheWriteTokens", &Count),
]);
static NAMES: Shape = List(&Name);

/// The fourteen events of the contract, with the additions of ours that ride on them.
static EVENTS: [(&str, &[Field]); 14] = [
    ("status", &[has("conversationId", &Name), has("status", &Name)]),
    ("turn-start", TURN),
    (
        "user-message",
        &[
            has("conversationId", &Name),
            has("turnId", &Name),
            has("text", &Text),
            may("clientMessageId", &Name),
            may("clientMessageIds", &NAMES),
            may("images", &IMAGES),
            may("eventSeq", &Ordinal),
            may("attempt", &Ordinal),
        ],
    ),
    ("text-delta", DELTA),
    ("reasoning-delta", DELTA),
    (
        "tool-call",
        &[
            has("conversationId", &Name),
            has("turnId", &Name),
            has("stepId", &Name),
            has("toolCallId", &Name),
            has("toolName", &Name),
            has("input", &Anything),
            may("eventSeq", &Ordinal),
            may("attempt", &Ordinal),
        ],
    ),
    (
        "tool-result",
        &[
            has("conversationId", &Name),
            has("turnId", &Name),
            has("stepId", &Name),
            has("toolCallId", &Name),
            has("toolName", &Name),
            has("content", &Text),
            has("isError", &Flag),
            may("durationMs", &Count),
            may("eventSeq", &Ordinal),
            may("attempt", &Ordinal),
        ],
    ),
    (
        "tool-output",
        &[
            has("conversationId", &Name),
            has("turnId", &Name),
            has("toolCallId", &Name),
            has("data", &Text),
            has("stream", &OneOf(&["stdout", "stderr"])),
            may("eventSeq", &Ordinal),
            may("attempt", &Ordinal),
        ],
    ),
    (
        "usage",
        &[
            has("conversationId", &Name),
            has("turnId", &Name),
            may("stepId", &Name),
            has("usage", &STEP_USAGE),
            may("eventSeq", &Ordinal),
            may("attempt", &Ordinal),
        ],
    ),
    (
        "step-complete",
        &[
            has("conversationId", &Name),
            has("turnId", &Name),
            has("stepId", &Name),
            may("ttftMs", &Count),
            may("decodeMs", &Count),
            may("genTotalMs", &Count),
            may("eventSeq", &Ordinal),
            may("attempt", &Ordinal),
        ],
    ),
    (
        "error",
        &[
            has("conversationId", &Name),
            has("turnId", &Name),
            has("message", &Name),
            may("code", &Name),
            may("eventSeq", &Ordinal),
            may("attempt", &Ordinal),
        ],
    ),
    (
        "done",
        &[
            has("conversationId", &Name),
            has("turnId", &Name),
            has("reason", &Name),
            may("durationMs", &Count),
            may("usage", &STEP_USAGE),
            may("contextSize", &Ordinal),
            may("eventSeq", &Ordinal),
            may("attempt", &Ordinal),
        ],
    ),
    ("turn-sealed", TURN),
    (
        "steering",
        &[
            has("conversationId", &Name),
            has("turnId", &Name),
            has("text", &Name),
            may("clientMessageId", &Name),
            may("clientMessageIds", &NAMES),
            may("eventSeq", &Ordinal),
            may("attempt", &Ordinal),
        ],
    ),
];

const TURN: &[Field] = &[
    has("conversationId", &Name),
    has("turnId", &Name),
    may("eventSeq", &Ordinal),
    may("attempt", &Ordinal),
];

const DELTA: &[Field] = &[
    has("conversationId", &Name),
    has("turnId", &Name),
    has("delta", &Name),
    may("eventSeq", &Ordinal),
    may("attempt", &Ordinal),
];

/// Only for clients that asked for extensions.
const PROVIDER_RETRY: &[Field] = &[
    has("conversationId", &Name),
    has("turnId", &Name),
    has("attempt", &Ordinal),
    has("delayMs", &Count),
    has("message", &Name),
    may("code", &Name),
];
/// Only for clients that asked for extensions.
const TOOL_START: &[Field] = &[
    has("conversationId", &Name),
    has("turnId", &Name),
    has("toolCallId", &Name),
    has("startedAt", &Count),
    may("eventSeq", &Ordinal),
    may("attempt", &Ordinal),
];
static IMAGES: Shape = List(&Record(&[has("url", &Name), may("mimeType", &Name)]));

static SURFACE_FIELDS: Shape = List(&Variants(
    "kind",
    &[
        ("toggle", &[has("label", &Text), has("value", &Flag), has("action", &ACTION)]),
        ("progress", &[has("label", &Text), has("value", &Number)]),
        (
            "selector",
            &[has("label", &Text), has("value", &Text), has("options", &OPTIONS), has("action", &ACTION)],
        ),
        ("stat", &[has("label", &Text), has("value", &Text)]),
        (
            "number",
            &[
                has("label", &Text),
                has("value", &Number),
                may("min", &Number),
                may("max", &Number),
                may("step", &Number),
                may("unit", &Text),
                has("action", &ACTION),
            ],
        ),
        ("button", &[has("label", &Text), has("action", &ACTION)]),
        ("custom", &[has("rendererId", &Name), has("payload", &Anything)]),
    ],
));
static ACTION: Shape = Record(&[has("actionId", &Name)]);
static OPTIONS: Shape = List(&Record(&[has("value", &Text), has("label", &Text)]));
static SPEC: Shape =
    Record(&[has("id", &Name), has("region", &Name), has("title", &Text), has("fields", &SURFACE_FIELDS)]);
static CATALOG: Shape = List(&Record(&[
    has("id", &Name),
    has("region", &Name),
    has("title", &Text),
    may("scope", &OneOf(&["global", "conversation"])),
]));

static FRAMES: [(&str, &[Field]); 9] = [
    ("catalog", &[has("catalog", &CATALOG)]),
    ("surface", &[has("spec", &SPEC), may("conversationId", &Name)]),
    (
        "update",
        &[has(
            "update",
            &Record(&[has("surfaceId", &Name), has("spec", &SPEC), may("conversationId", &Name)]),
        )],
    ),
    ("error", &[may("surfaceId", &Text), has("message", &Name), may("code", &Name)]),
    // The event is looked at on its own: what it may be depends on the client.
    ("chat.delta", &[has("event", &Record(&[]))]),
    ("chat.error", &[may("conversationId", &Name), has("message", &Name), may("code", &Name)]),
    ("conversation.open", &[has("conversationId", &Name)]),
    ("conversation.statusChanged", &[has("conversationId", &Name), has("status", &STATUS)]),
    (
        "conversation.compacted",
        &[
            has("conversationId", &Name),
            has("newConversationId", &Name),
            has("messagesSummarized", &Count),
            has("messagesKept", &Count),
        ],
    ),
];

static STATUS: Shape = OneOf(&["active", "idle", "closed"]);

const ERROR_CHUNK: &[Field] = &[has("message", &Name), may("code", &Name)];
const CALL_CHUNK: &[Field] =
    &[has("toolCallId", &Name), has("toolName", &Name), has("input", &Anything), may("stepId", &Name)];
const RESULT_CHUNK: &[Field] = &[
    has("toolCallId", &Name),
    has("toolName", &Name),
    has("content", &Text),
    has("isError", &Flag),
    may("stepId", &Name),
];
const SAID: &[Field] = &[has("text", &Text)];

static CHUNK: Shape = Variants(
    "type",
    &[
        ("text", SAID),
        ("thinking", SAID),
        ("system", SAID),
        ("tool-call", CALL_CHUNK),
        ("tool-result", RESULT_CHUNK),
        ("error", ERROR_CHUNK),
    ],
);
static EXTENDED_CHUNK: Shape = Variants(
    "type",
    &[
        ("text", SAID),
        ("thinking", SAID),
        ("system", SAID),
        ("tool-call", CALL_CHUNK),
        ("tool-result", RESULT_CHUNK),
        ("error", ERROR_CHUNK),
        ("image", &[has("url", &Name), may("mimeType", &Name)]),
    ],
);
static ROLE: Shape = OneOf(&["system", "user", "assistant", "tool"]);

/// `GET /conversations/:id`.
pub(crate) static HISTORY: Shape = Record(&[
    has("chunks", &List(&Record(&[has("seq", &Ordinal), has("role", &ROLE), has("chunk", &CHUNK)]))),
    has("latestSeq", &Count),
]);
/// The same with `?extensions=true`.
pub(crate) static EXTENDED_HISTORY: Shape = Record(&[
    has("chunks", &List(&Record(&[has("seq", &Ordinal), has("role", &ROLE), has("chunk", &EXTENDED_CHUNK)]))),
    has("latestSeq", &Count),
]);
/// `GET /conversations`.
pub(crate) static LIST: Shape = Record(&[has(
    "conversations",
    &List(&Record(&[
        has("id", &Name),
        has("createdAt", &Ordinal),
        has("lastActivityAt", &Ordinal),
        has("title", &Text),
        has("status", &STATUS),
        may("compactedFrom", &Name),
    ])),
)]);
/// `GET /models`, but for the names in `modelInfo`.
pub(crate) static MODELS: Shape = Record(&[has("models", &NAMES), may("modelInfo", &Record(&[]))]);
/// One model in `modelInfo`.
pub(crate) static MODEL_INFO: Shape = Record(&[may("contextWindow", &Ordinal), may("vision", &Flag)]);
/// `GET /conversations/:id/metrics`.
pub(crate) static METRICS: Shape = Record(&[has(
    "turns",
    &List(&Record(&[
        has("turnId", &Name),
        has("usage", &STEP_USAGE),
        may("durationMs", &Count),
        has(
            "steps",
            &List(&Record(&[
                has("stepId", &Name),
                has("usage", &STEP_USAGE),
                may("ttftMs", &Count),
                may("decodeMs", &Count),
                may("genTotalMs", &Count),
            ])),
        ),
        may("contextSize", &Ordinal),
    ])),
)]);
static QUEUED: Shape = List(&Record(&[
    has("id", &Name),
    has("text", &Name),
    has("queuedAt", &Ordinal),
    may("clientMessageId", &Name),
]));
/// The answer to `POST …/queue`, and to a chat that was queued.
pub(crate) static QUEUE_ANSWER: Shape =
    Record(&[has("conversationId", &Name), has("startedTurn", &Flag), has("queue", &QUEUED)]);
/// `GET …/queue`.
pub(crate) static QUEUE: Shape = Record(&[has("conversationId", &Name), has("queue", &QUEUED)]);
/// The payload of the surface `message-queue`.
pub(crate) static QUEUE_PAYLOAD: Shape = Record(&[has("messages", &QUEUED)]);
/// `GET …/last`.
pub(crate) static LAST: Shape =
    Record(&[has("conversationId", &Name), has("content", &Text), may("turnId", &Name)]);
/// `GET …/lsp`.
pub(crate) static LSP: Shape = Record(&[
    has("conversationId", &Name),
    has("cwd", &OrNull(&Text)),
    has(
        "servers",
        &List(&Record(&[
            has("id", &Name),
            has("name", &Name),
            has("root", &Text),
            has("extensions", &NAMES),
            has("state", &OneOf(&["connected", "starting", "error", "not-started"])),
            may("error", &Text),
        ])),
    ),
]);
/// `GET …/mcp`.
pub(crate) static MCP: Shape = Record(&[
    has("conversationId", &Name),
    has("cwd", &OrNull(&Text)),
    has("servers", &List(&Record(&[has("id", &Name), has("state", &Name), has("toolCount", &Count)]))),
]);
/// `POST /chat/warm`.
pub(crate) static WARM: Shape = Record(&[
    has("inputTokens", &Count),
    has("outputTokens", &Count),
    has("cacheReadTokens", &Count),
    has("cacheWriteTokens", &Count),
    has("cachePct", &Count),
    has("expectedCacheRate", &Count),
]);
/// `GET /metrics/throughput`.
pub(crate) static THROUGHPUT: Shape = Record(&[
    has("period", &OneOf(&["day", "week", "month"])),
    has("date", &Name),
    has("start", &Count),
    has("end", &Ordinal),
    has(
        "models",
        &List(&Record(&[
            has("model", &Name),
            has("tokensPerSecond", &Number),
            has("totalOutputTokens", &Count),
            has("totalGenMs", &Count),
            has("turns", &Ordinal),
        ])),
    ),
]);
/// `POST …/compact`.
pub(crate) static COMPACTED: Shape = Record(&[
    has("conversationId", &Name),
    has("newConversationId", &Name),
    has("messagesSummarized", &Ordinal),
    has("messagesKept", &Count),
]);
/// `GET …/status`.
pub(crate) static STATUS_ANSWER: Shape =
    Record(&[has("conversationId", &Name), has("isActive", &Flag), has("status", &STATUS)]);
/// `GET /system-prompt/variables`.
pub(crate) static VARIABLES: Shape = Record(&[has(
    "variables",
    &List(&Record(&[
        has("type", &Name),
        has("name", &Text),
        has("description", &Name),
        may("dynamic", &Flag),
    ])),
)]);
/// The payload of the timer on the surface `cache-warming`.
pub(crate) static TIMER: Shape =
    Record(&[has("nextWarmAt", &OrNull(&Ordinal)), has("lastWarmAt", &OrNull(&Ordinal))]);

/// Only for clients that asked for extensions.
const DELETED: &[Field] = &[has("conversationId", &Name)];
/// The same.
const TITLE_CHANGED: &[Field] = &[has("conversationId", &Name), has("title", &Text)];

/// What a client may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The contract and nothing else.
    Contract,
    /// The client asked for extensions.
    Extended,
}

/// An event is one that such a client may be sent.
pub(crate) fn event(event: &Value, dialect: Dialect) -> Outcome {
    let kind = event["type"].as_str().unwrap_or_default();
    match kind {
        "provider-retry" if dialect == Dialect::Extended => return Record(PROVIDER_RETRY).verify(event),
        "tool-start" if dialect == Dialect::Extended => return Record(TOOL_START).verify(event),
        _ => {}
    }
    match EVENTS.iter().find(|(known, _)| *known == kind) {
        Some((_, fields)) => fields_of(event, fields).or_else(|problem| failed(problem, shown(event))),
        None => failed("one of the contract's fourteen events", shown(event)),
    }
}

/// A frame is one that such a client may be sent.
pub(crate) fn frame(frame: &Value, dialect: Dialect) -> Outcome {
    let kind = frame["type"].as_str().unwrap_or_default();
    match kind {
        "conversation.deleted" if dialect == Dialect::Extended => return Record(DELETED).verify(frame),
        "conversation.titleChanged" if dialect == Dialect::Extended => {
            return Record(TITLE_CHANGED).verify(frame);
        }
        _ => {}
    }
    match FRAMES.iter().find(|(known, _)| *known == kind) {
        Some((_, fields)) => fields_of(frame, fields).or_else(|problem| failed(problem, shown(frame)))?,
        None => return failed("one of the contract's nine frames", shown(frame)),
    }
    if kind == "chat.delta" { event(&frame["event"], dialect) } else { Ok(()) }
}

impl Shape {
    /// The value has this shape.
    pub(crate) fn verify(&self, value: &Value) -> Outcome {
        self.problem(value).or_else(|problem| failed(problem, shown(value)))
    }

    fn problem(&self, value: &Value) -> Result<(), String> {
        let fits = match self {
            Text => value.is_string(),
            Name => value.as_str().is_some_and(|text| !text.is_empty()),
            Flag => value.is_boolean(),
            Count => value.is_u64(),
            Ordinal => value.as_u64().is_some_and(|number| number > 0),
            Number => value.is_number(),
            Anything => true,
            OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Record(fields) => return fields_of(value, fields),
            List(shape) => {
                let Some(items) = value.as_array() else { return Err(": a list".to_owned()) };
                for (place, item) in items.iter().enumerate() {
                    shape.problem(item).map_err(|problem| format!("[{place}]{problem}"))?;
                }
                true
            }
            OrNull(shape) => return if value.is_null() { Ok(()) } else { shape.problem(value) },
            Variants(tag, variants) => {
                let kind = value[tag].as_str().unwrap_or_default();
                match variants.iter().find(|(known, _)| *known == kind) {
                    Some((_, fields)) => return fields_of(value, fields),
                    None => return Err(format!(".{tag}: one that the contract knows, not {}", value[tag])),
                }
            }
        };
        if fits { Ok(()) } else { Err(format!(": {}, not {value}", self.name())) }
    }

    fn name(&self) -> String {
        match self {
            Text => "a string".to_owned(),
            Name => "a string that is not empty".to_owned(),
            Flag => "true or false".to_owned(),
            Count => "a whole number from 0".to_owned(),
            Ordinal => "a whole number from 1".to_owned(),
            Number => "a number".to_owned(),
            OneOf(words) => format!("one of {}", words.join(", ")),
            Anything | Record(_) | List(_) | OrNull(_) | Variants(..) => "JSON".to_owned(),
        }
    }
}

fn fields_of(value: &Value, fields: &[Field]) -> Result<(), String> {
    let Some(object) = value.as_object() else { return Err(": an object".to_owned()) };
    for field in fields {
        match object.get(field.name) {
            Some(value) => {
                field.shape.problem(value).map_err(|problem| format!(".{}{problem}", field.name))?;
            }
            None if field.required => return Err(format!(".{} is missing", field.name)),
            None => {}
        }
    }
    let stray = object
        .iter()
        .find(|(name, value)| value.is_null() && fields.iter().all(|field| field.name != name.as_str()));
    match stray {
        Some((name, _)) => Err(format!(".{name}: left out rather than null")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(value: Value) -> bool {
        event(&value, Dialect::Contract).is_ok()
    }

    #[test]
    fn events_are_taken_or_refused() {
        let done = json!({"type": "done", "conversationId": "c", "turnId": "t", "reason": "stop"});
        assert!(holds(done.clone()));
        let with = |name: &str, value: Value| {
            let mut event = done.clone();
            event[name] = value;
            event
        };
        assert!(holds(with("news", json!(1))), "additions are allowed");
        assert!(!holds(with("news", Value::Null)), "but never null");
        assert!(!holds(with("usage", Value::Null)), "optional fields are left out");
        assert!(!holds(with("usage", json!({"inputTokens": 1}))));
        assert!(!holds(with("durationMs", json!(1.5))));
        assert!(!holds(with("turnId", json!(""))));
        assert!(!holds(with("type", json!("finished"))));
    }

    #[test]
    fn extensions_are_for_those_who_asked() {
        let retry = json!({"type": "provider-retry", "conversationId": "c", "turnId": "t", "attempt": 1,
            "delayMs": 5, "message": "m"});
        let start = json!({"type": "tool-start", "conversationId": "c", "turnId": "t", "toolCallId": "1",
            "startedAt": 7});
        for extension in [&retry, &start] {
            assert!(event(extension, Dialect::Contract).is_err());
            assert!(event(extension, Dialect::Extended).is_ok());
        }
        let titled = json!({"type": "conversation.titleChanged", "conversationId": "c", "title": "A tour"});
        assert!(frame(&titled, Dialect::Contract).is_err());
        assert!(frame(&titled, Dialect::Extended).is_ok());
        let delta = json!({"type": "chat.delta", "event": retry});
        assert!(frame(&delta, Dialect::Contract).is_err());
        assert!(frame(&delta, Dialect::Extended).is_ok());
    }
}
