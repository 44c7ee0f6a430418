"""Conversations with agents: what is sent, what is heard, what is kept."""

import json
import uuid
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from . import events
from ._error import DispatchError
from ._feed import Feed
from ._http import Http, given
from .events import Event, Usage, made

WhenActive = Literal["reject", "queue", "interrupt"]
"""What becomes of a message to a conversation whose turn is still running."""
ReasoningEffort = Literal["low", "medium", "high", "xhigh", "max"]

_TURN = 90.0
"""How long an answer may take that waits for a turn: the server waits for 60 seconds at most."""


@dataclass(frozen=True, kw_only=True)
class QueuedMessage:
    """A message that waits to steer the running turn, or to start the next one."""

    id: str
    text: str
    queued_at: int
    """In milliseconds since the Unix epoch."""
    client_message_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What became of a message."""

    conversation_id: str
    client_message_id: str
    turn_id: str | None = None
    """The turn that it started; `None` if the message is queued."""
    queue: tuple[QueuedMessage, ...] | None = None
    """The queue that it is in; `None` if it started a turn."""


@dataclass(frozen=True, kw_only=True)
class Queued:
    """The queue, with what was put there."""

    conversation_id: str
    started_turn: bool
    """Whether the message started a turn, because none was running."""
    queue: tuple[QueuedMessage, ...]


@dataclass(frozen=True, kw_only=True)
class HistoryChunk:
    """A piece of the history."""

    seq: int
    """1, 2, 3 … in the conversation."""
    role: str
    """`system`, `user`, `assistant` or `tool`."""
    chunk: Mapping[str, Any]
    """As it came: `type` says what it is, `text` for example."""


@dataclass(frozen=True, kw_only=True)
class History:
    """A part of the history: sealed turns only."""

    chunks: tuple[HistoryChunk, ...]
    """Ascending by seq."""
    latest_seq: int
    """The seq of the last chunk here, or the `since_seq` that was asked for when there is none."""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """One of the list."""

    id: str
    title: str
    status: str
    """`active`, `idle` or `closed`, for example."""
    created_at: int
    last_activity_at: int
    """In milliseconds since the Unix epoch."""
    compacted_from: str | None = None


@dataclass(frozen=True, kw_only=True)
class StepMetrics:
    """Tokens and times of a step."""

    step_id: str
    usage: Usage
    decode_ms: float | None = None
    gen_total_ms: float | None = None
    ttft_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class TurnMetrics:
    """Tokens and times of a sealed turn."""

    turn_id: str
    usage: Usage
    steps: tuple[StepMetrics, ...]
    context_size: int | None = None
    duration_ms: float | None = None


class Turn(Feed[Event]):
    """A message and the events of its turn, from `UserMessage` to `TurnSealed`. The message is sent when the first event is
    asked for. The turn is the server's: to stop reading, or to lose the connection, does not end it. A connection that is
    lost is made anew and goes on with the next event."""

    conversation_id: str
    client_message_id: str

    def __init__(self, http: Http, message: dict[str, Any]) -> None:
        """@private"""
        self._http = http
        self._message = message
        self.conversation_id = message["conversationId"]
        self.client_message_id = message["clientMessageId"]
        super().__init__(_turn(http, message))

    async def text(self) -> str:
        """Waits for the turn's end: the last text of the answer. Fails if the turn did."""
        text, is_next = "", False
        async for event in self:
            match event:
                case events.TextDelta(delta=delta):
                    text, is_next = (delta if is_next else text + delta), False
                case events.StepComplete():
                    is_next = True
                case events.Failure(code=code, message=message):
                    raise DispatchError(code or "internal", message, permanent=True)
                case events.Gap():
                    last = await self._http.json(
                        "GET", "conversations", self.conversation_id, "last", timeout=_TURN
                    )
                    return str(last["content"])
                case _:
                    pass
        return text


class Conversations:
    """Conversations with agents: what is sent, what is heard, what is kept.

    A conversation that does not exist is no error: it reads as empty, and the first message creates it.
    """

    def __init__(self, http: Http) -> None:
        """@private"""
        self._http = http

    async def send(
        self,
        message: str,
        *,
        conversation_id: str | None = None,
        client_message_id: str | None = None,
        when_active: WhenActive | None = None,
        model: str | None = None,
        cwd: str | None = None,
        reasoning_effort: ReasoningEffort | None = None,
        images: Iterable[str] | None = None,
    ) -> Sent:
        """Sends a message, once however often it has to be tried, and returns when the server has it: it runs as a turn
        then, or with `when_active="queue"` it waits for the one that runs.

        Without `conversation_id` the conversation is new. `images` are URLs, `data:` for example.
        """
        body = _message(
            message, conversation_id, client_message_id, when_active, model, cwd, reasoning_effort, images
        )
        sent = {"conversation_id": body["conversationId"], "client_message_id": body["clientMessageId"]}
        taken = json.loads(await self._http.native.send(json.dumps(body)))
        return Sent(**sent, turn_id=taken.get("turnId"), queue=_queue(taken) if "queue" in taken else None)

    def stream(
        self,
        message: str,
        *,
        conversation_id: str | None = None,
        client_message_id: str | None = None,
        when_active: Literal["reject", "interrupt"] | None = None,
        model: str | None = None,
        cwd: str | None = None,
        reasoning_effort: ReasoningEffort | None = None,
        images: Iterable[str] | None = None,
    ) -> Turn:
        """Sends a message as `send` does, and gives the events of its turn:

        ```python
        async for event in conversations.stream("say hello"):
            ...
        text = await conversations.stream("say hello").text()
        ```
        """
        body = _message(
            message, conversation_id, client_message_id, when_active, model, cwd, reasoning_effort, images
        )
        return Turn(self._http, body)

    def watch(self, conversation_id: str) -> Feed[Event]:
        """What happens in a conversation, over as many turns as there will be: the turn in flight from its first event,
        then live. A connection that is lost is made anew and goes on with the next event; where that cannot be, a `Gap`
        says so. It fails when the server refuses, or cannot be reached for two minutes."""
        return Feed(_watch(self._http, conversation_id))

    async def history(
        self,
        conversation_id: str,
        *,
        since_seq: int | None = None,
        before_seq: int | None = None,
        limit: int | None = None,
    ) -> History:
        """A part of the history: only chunks with a greater seq, only chunks with a smaller seq, only the newest so many
        of those. To page back, give the oldest seq that is known as `before_seq`."""
        query = {"sinceSeq": since_seq, "beforeSeq": before_seq, "limit": limit, "extensions": True}
        found = await self._http.json("GET", "conversations", conversation_id, query=query)
        chunks = tuple(HistoryChunk(seq=it["seq"], role=it["role"], chunk=it["chunk"]) for it in found["chunks"])
        return History(chunks=chunks, latest_seq=found["latestSeq"])

    def pages(self, conversation_id: str, *, limit: int = 100) -> Feed[tuple[HistoryChunk, ...]]:
        """The whole history in pages, the newest first; the chunks of each are ascending."""
        return Feed(_pages(self, conversation_id, limit))

    async def last(self, conversation_id: str) -> str:
        """The last text of the last answer. Waits for a running turn to end, for up to a minute."""
        found = await self._http.json("GET", "conversations", conversation_id, "last", timeout=_TURN)
        return str(found["content"])

    async def list(
        self, *, status: Sequence[str] | None = None, id_prefix: str | None = None
    ) -> tuple[Conversation, ...]:
        """All conversations, or those with one of these statuses, or whose id begins so; the last active first."""
        query = {"status": None if status is None else ",".join(status), "q": id_prefix}
        found = await self._http.json("GET", "conversations", query=query)
        return tuple(made(Conversation, it) for it in found["conversations"])

    async def queue(
        self,
        conversation_id: str,
        text: str,
        *,
        client_message_id: str | None = None,
        expected_turn_id: str | None = None,
    ) -> Queued:
        """Queues a text: it enters the running turn after its next tool results, or starts the next turn, or one now."""
        body = {
            "text": text,
            "clientMessageId": client_message_id or str(uuid.uuid4()),
            **given(expectedTurnId=expected_turn_id),
        }
        answer = await self._http.json(
            "POST", "conversations", conversation_id, "queue", body=body, is_repeatable=True
        )
        return Queued(
            conversation_id=answer["conversationId"], started_turn=answer["startedTurn"], queue=_queue(answer)
        )

    async def steer(
        self, conversation_id: str, turn_id: str, text: str, *, client_message_id: str | None = None
    ) -> Queued:
        """As `queue`, if that turn is still running; otherwise it fails with `turn-mismatch`."""
        return await self.queue(
            conversation_id, text, client_message_id=client_message_id, expected_turn_id=turn_id
        )

    async def queued(self, conversation_id: str) -> tuple[QueuedMessage, ...]:
        """What waits to be taken in, oldest first."""
        return _queue(await self._http.json("GET", "conversations", conversation_id, "queue"))

    async def cancel_queued(self, conversation_id: str, message_id: str) -> bool:
        """Takes a message out of the queue, by its id there. Whether it was still there."""
        path = ("conversations", conversation_id, "queue", message_id)
        return bool((await self._http.json("DELETE", *path))["cancelled"])

    async def stop(self, conversation_id: str) -> bool:
        """Ends the running turn. What was said stays, what is queued stays queued. Whether there was one."""
        path = ("conversations", conversation_id, "stop")
        return bool((await self._http.json("POST", *path))["abortedTurn"])

    async def close(self, conversation_id: str) -> bool:
        """Ends the running turn, empties the queue, and hides it until its next message. Whether there was a turn."""
        path = ("conversations", conversation_id, "close")
        return bool((await self._http.json("POST", *path))["abortedTurn"])

    async def delete(self, conversation_id: str, *, force: bool = False) -> bool:
        """Deletes it with everything that is kept for it; with `force` also while something runs in it. Whether there was
        one."""
        path = ("conversations", conversation_id)
        return bool((await self._http.json("DELETE", *path, query={"force": force}))["deleted"])

    async def metrics(self, conversation_id: str) -> tuple[TurnMetrics, ...]:
        """Tokens and times of its sealed turns, oldest first."""
        found = await self._http.json("GET", "conversations", conversation_id, "metrics")
        return tuple(
            made(TurnMetrics, {**turn, "steps": [made(StepMetrics, step) for step in turn["steps"]]})
            for turn in found["turns"]
        )

    async def title(self, conversation_id: str) -> str:
        """The title."""
        return str((await self._http.json("GET", "conversations", conversation_id, "title"))["title"])

    async def set_title(self, conversation_id: str, title: str) -> str:
        """Sets the title."""
        path = ("conversations", conversation_id, "title")
        return str((await self._http.json("PUT", *path, body={"title": title}))["title"])


def _message(
    message: str,
    conversation_id: str | None,
    client_message_id: str | None,
    when_active: WhenActive | None,
    model: str | None,
    cwd: str | None,
    reasoning_effort: ReasoningEffort | None,
    images: Iterable[str] | None,
) -> dict[str, Any]:
    """A message whose ids are known, so that it can be sent again without starting anything twice."""
    return {
        "message": message,
        "conversationId": conversation_id or str(uuid.uuid4()),
        "clientMessageId": client_message_id or str(uuid.uuid4()),
        **given(whenActive=when_active, model=model, cwd=cwd, reasoningEffort=reasoning_effort),
        **given(images=None if images is None else [{"url": url} for url in images]),
    }


async def _turn(http: Http, message: dict[str, Any]) -> AsyncGenerator[Event, None]:
    turn = http.native.stream(json.dumps(message))
    while (line := await turn.next()) is not None:
        yield _event(line, message["conversationId"])


async def _watch(http: Http, conversation_id: str) -> AsyncGenerator[Event, None]:
    watch = http.native.watch(conversation_id)
    while True:
        yield _event(await watch.next(), conversation_id)


def _event(line: str, conversation_id: str) -> Event:
    return events.parse({"conversationId": conversation_id, **json.loads(line)})


async def _pages(
    conversations: Conversations, conversation_id: str, limit: int
) -> AsyncGenerator[tuple[HistoryChunk, ...], None]:
    before: int | None = None
    while before is None or before > 1:
        page = await conversations.history(conversation_id, before_seq=before, limit=limit)
        if not page.chunks:
            return
        yield page.chunks
        before = page.chunks[0].seq


def _queue(answer: Mapping[str, Any]) -> tuple[QueuedMessage, ...]:
    return tuple(made(QueuedMessage, it) for it in answer["queue"])
