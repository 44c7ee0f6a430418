"""What is heard of a conversation.

Each event is a frozen dataclass with the fields of the contract; `type` is its name there. So both of these work, and type
checkers know what `delta` is:

```python
if event.type == "text-delta":
    print(event.delta)

match event:
    case TextDelta(delta=delta):
        print(delta)
```
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Token counters."""

    input_tokens: int
    """Of the whole prompt, those read from and written to a cache included."""
    output_tokens: int
    """Reasoning included."""
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class _OfTurn:
    conversation_id: str
    turn_id: str
    event_seq: int | None = None
    """The number of the event in its turn, from 1."""
    attempt: int | None = None
    """Which try of its step's provider call it belongs to, from 1."""


@dataclass(frozen=True, kw_only=True)
class MessageImage:
    """An image of a message."""

    url: str
    """Where it is: `/images/…` on the server, or an address elsewhere."""
    mime_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class UserMessage(_OfTurn):
    """The prompt that opened the turn: always its first event."""

    text: str
    client_message_id: str | None = None
    client_message_ids: tuple[str, ...] | None = None
    images: tuple[MessageImage, ...] | None = None
    type: Literal["user-message"] = "user-message"


@dataclass(frozen=True, kw_only=True)
class TurnStart(_OfTurn):
    """A turn has begun."""

    type: Literal["turn-start"] = "turn-start"


@dataclass(frozen=True, kw_only=True)
class TextDelta(_OfTurn):
    """More text of the answer."""

    delta: str
    type: Literal["text-delta"] = "text-delta"


@dataclass(frozen=True, kw_only=True)
class ReasoningDelta(_OfTurn):
    """More reasoning."""

    delta: str
    type: Literal["reasoning-delta"] = "reasoning-delta"


@dataclass(frozen=True, kw_only=True)
class ToolCall(_OfTurn):
    """The model asks for a tool to be run."""

    step_id: str
    tool_call_id: str
    tool_name: str
    input: Any
    type: Literal["tool-call"] = "tool-call"


@dataclass(frozen=True, kw_only=True)
class ToolOutput(_OfTurn):
    """Output of a running tool."""

    tool_call_id: str
    data: str
    stream: Literal["stdout", "stderr"]
    type: Literal["tool-output"] = "tool-output"


@dataclass(frozen=True, kw_only=True)
class ToolResult(_OfTurn):
    """A tool has finished."""

    step_id: str
    tool_call_id: str
    tool_name: str
    content: str
    is_error: bool
    duration_ms: float | None = None
    type: Literal["tool-result"] = "tool-result"


@dataclass(frozen=True, kw_only=True)
class Steering(_OfTurn):
    """Queued messages were handed to the model, together with the tool results of a step."""

    text: str
    client_message_id: str | None = None
    client_message_ids: tuple[str, ...] | None = None
    type: Literal["steering"] = "steering"


@dataclass(frozen=True, kw_only=True)
class UsageOfStep(_OfTurn):
    """The tokens of a step."""

    usage: Usage
    step_id: str | None = None
    type: Literal["usage"] = "usage"


@dataclass(frozen=True, kw_only=True)
class StepComplete(_OfTurn):
    """The provider's stream of a step is over."""

    step_id: str
    decode_ms: float | None = None
    gen_total_ms: float | None = None
    ttft_ms: float | None = None
    type: Literal["step-complete"] = "step-complete"


@dataclass(frozen=True, kw_only=True)
class Failure(_OfTurn):
    """Something failed. The turn is not over until `Done`."""

    message: str
    code: str | None = None
    type: Literal["error"] = "error"


@dataclass(frozen=True, kw_only=True)
class ProviderRetry:
    """A call of the provider failed before its first content, and will be tried again."""

    conversation_id: str
    turn_id: str
    attempt: int
    """Which retry this is, from 1."""
    delay_ms: int
    message: str
    code: str | None = None
    event_seq: int | None = None
    """The number of the event before it."""
    type: Literal["provider-retry"] = "provider-retry"


@dataclass(frozen=True, kw_only=True)
class ToolStart:
    """A tool has started: at its call, or when those have ended that it had to wait for."""

    conversation_id: str
    turn_id: str
    tool_call_id: str
    started_at: int
    """By the clock of the server, in milliseconds since the Unix epoch."""
    event_seq: int | None = None
    """The number of the event before it."""
    type: Literal["tool-start"] = "tool-start"


@dataclass(frozen=True, kw_only=True)
class Done(_OfTurn):
    """Generation is over: `stop`, `length`, `content_filter`, `aborted`, `error`, `max-steps` or `interrupted`."""

    reason: str
    context_size: int | None = None
    duration_ms: float | None = None
    usage: Usage | None = None
    type: Literal["done"] = "done"


@dataclass(frozen=True, kw_only=True)
class TurnSealed(_OfTurn):
    """All of the turn is on the disk and in the history."""

    type: Literal["turn-sealed"] = "turn-sealed"


@dataclass(frozen=True, kw_only=True)
class Status:
    """The status of the conversation is another one."""

    conversation_id: str
    status: str
    type: Literal["status"] = "status"


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Something was missed: the connection was away, and what happened meanwhile is over. The history has all of it;
    events go on with what happens now. After a connection that came back in time, there is none."""

    conversation_id: str
    type: Literal["gap"] = "gap"


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """An event that is newer than this client."""

    data: Mapping[str, Any]
    """As it came."""
    type: Literal["unknown"] = "unknown"


TurnEvent = (
    UserMessage
    | TurnStart
    | TextDelta
    | ReasoningDelta
    | ToolCall
    | ToolOutput
    | ToolResult
    | Steering
    | UsageOfStep
    | StepComplete
    | Failure
    | ProviderRetry
    | ToolStart
    | Done
    | TurnSealed
)
"""What is said in a turn."""

Event = TurnEvent | Status | Gap | Unknown
"""What a watcher hears."""

_CLASSES: dict[str, type[Any]] = {
    kind.type: kind
    for kind in (
        UserMessage,
        TurnStart,
        TextDelta,
        ReasoningDelta,
        ToolCall,
        ToolOutput,
        ToolResult,
        Steering,
        UsageOfStep,
        StepComplete,
        Failure,
        ProviderRetry,
        ToolStart,
        Done,
        TurnSealed,
        Status,
        Gap,
    )
}


def parse(data: Mapping[str, Any]) -> Event:
    """The event of a JSON object. Fields that are not known are left out."""
    kind = _CLASSES.get(data["type"])
    if kind is None:
        return Unknown(data=data)
    try:
        event: Event = made(kind, data)
    except TypeError:
        # Another shape than that of today.
        return Unknown(data=data)
    return event


def made(kind: type[_T], data: Mapping[str, Any]) -> _T:
    """A dataclass of a JSON object, whose names are those of JavaScript.

    @private
    """
    fields: dict[str, Any] = {}
    for name in _names(kind):
        if (value := data.get(_camel(name))) is None:
            continue
        if name == "usage":
            value = made(Usage, value)
        elif name == "images":
            value = tuple(made(MessageImage, image) for image in value)
        elif name in _LISTS:
            value = tuple(value)
        fields[name] = value
    return kind(**fields)


_LISTS = frozenset(("client_message_ids", "steps"))


def _names(kind: type[Any]) -> tuple[str, ...]:
    if (known := _NAMES.get(kind)) is None:
        known = _NAMES[kind] = tuple(field.name for field in dataclasses.fields(kind))
    return known


_NAMES: dict[type[Any], tuple[str, ...]] = {}


def _camel(name: str) -> str:
    if (known := _CAMEL.get(name)) is None:
        known = _CAMEL[name] = re.sub("_(.)", lambda letter: letter[1].upper(), name)
    return known


_CAMEL: dict[str, str] = {}
