"""A realtime session, as an application holds it."""

import asyncio
import json
import os
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, overload

import numpy as np
from numpy.typing import NDArray

from . import _native
from ._emitter import Emitter, Handler, Stream
from ._error import DispatchError
from ._http import Http

ConnectionState = Literal["disconnected", "connecting", "connected", "generating", "reconnecting"]
"""The state of a session. Media flow when it is `connected` or `generating`."""
Picture = NDArray[np.uint8]
"""Height × width × 3 bytes: RGB."""
ImageSource = bytes | str | os.PathLike[str]
"""An image file (JPEG, PNG or WebP): its bytes, or its path."""

_RECEIPT = 15.0
"""How long a session may take to be settled, in seconds."""
_ASK_EVERY = 0.25


@dataclass(frozen=True)
class ConnectionChange:
    """The state of the connection is another one."""

    state: ConnectionState


@dataclass(frozen=True)
class SessionError:
    """Something is wrong. Says nothing about the state."""

    error: DispatchError


@dataclass(frozen=True)
class GenerationTick:
    """A second was generated, and billed."""

    seconds: int
    """How many so far, in this connection. Begins with 1 again after a reconnect."""
    credits: Decimal | None = None
    """The credits that are left, if the server says so."""


SessionEvent = ConnectionChange | SessionError | GenerationTick
"""What happens in a session."""


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """A picture that came."""

    image: Picture
    """Height × width × 3 bytes: RGB. It is yours: it can be written to."""
    timestamp: float
    """When it was taken, in seconds of the sender's clock."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.image, dtype=dtype, copy=copy)


class Frames(Stream[Frame]):
    """Pictures, as they come. For one reader at a time; nothing is lost when a wait is cancelled."""

    def __init__(self, native: _native.Session) -> None:
        """@private"""
        super().__init__(asyncio.get_running_loop())
        this = weakref.ref(self)

        def show(picture: tuple[memoryview, int, int, float] | None) -> None:
            if (frames := this()) is None:
                return
            if picture is None:
                frames.end()
            else:
                pixels, height, width, seconds = picture
                frames.put(Frame(np.ndarray((height, width, 3), np.uint8, pixels), seconds))

        # As long as this is held, pictures are decoded.
        looking = native.frames(show)
        if looking is None:
            self.end()
        else:
            self._taken = looking.taken


@dataclass(frozen=True, kw_only=True)
class ConnectionReceipt:
    """What one connection of a session cost."""

    connection: str
    model: str
    opened_at: int
    """In milliseconds since the Unix epoch."""
    ended_at: int | None
    reason: str | None
    seconds: int
    credits: Decimal


@dataclass(frozen=True, kw_only=True)
class SessionReceipt:
    """What a session cost, all its connections together."""

    session: str
    key: str
    """The id of the key that paid. Not the key."""
    connections: tuple[ConnectionReceipt, ...]
    seconds: int
    credits: Decimal
    settled: bool
    reason: str | None
    """Why it ended: `disconnect`, `timeout`, `error`, `moderation_violation`, `insufficient_credits` or
    `deleted_by_operator`."""


class Viewer:
    """Someone who watches a session, or has one. Of the events, a viewer hears the state and errors.

    Handlers are called in the event loop. They may be coroutine functions. One that fails stops no other; it is logged
    (`dispatch_client`). Handlers that are attached right after `connect` hear everything that happened before.
    """

    def __init__(self, native: _native.Session, emitter: Emitter[SessionEvent], ended: asyncio.Event) -> None:
        """@private"""
        self._native = native
        self._emitter = emitter
        self._ended = ended

    @property
    def connection_state(self) -> ConnectionState:
        """Where the connection stands."""
        state: Any = self._native.state
        checked: ConnectionState = state
        return checked

    def is_connected(self) -> bool:
        """Whether media flow."""
        return self.connection_state in ("connected", "generating")

    @overload
    def on(self, event: Literal["connection_change"], handler: Handler[ConnectionState]) -> None: ...
    @overload
    def on(self, event: Literal["error"], handler: Handler[DispatchError]) -> None: ...
    @overload
    def on(self, event: Literal["generation_tick"], handler: Handler[GenerationTick]) -> None: ...

    def on(self, event: str, handler: Handler[Any]) -> None:
        """Attaches a handler."""
        self._emitter.on(_known(event), handler)

    @overload
    def off(self, event: Literal["connection_change"], handler: Handler[ConnectionState]) -> None: ...
    @overload
    def off(self, event: Literal["error"], handler: Handler[DispatchError]) -> None: ...
    @overload
    def off(self, event: Literal["generation_tick"], handler: Handler[GenerationTick]) -> None: ...

    def off(self, event: str, handler: Handler[Any]) -> None:
        """Takes a handler away; one that was not there is no error."""
        self._emitter.off(_known(event), handler)

    def events(self) -> Stream[SessionEvent]:
        """The events in order, up to the end of the session: what happened before, if nobody has heard it yet, and whatever
        comes."""
        return self._emitter.stream()

    def __aiter__(self) -> Stream[SessionEvent]:
        return self.events()

    def frames(self) -> Frames:
        """The pictures that come, as they come: the newest, where whoever looks is too slow for all of them. They go on
        after a reconnect, and end with the session. Several who look share them."""
        return Frames(self._native)

    async def disconnect(self) -> None:
        """Ends it. All handlers have heard so when this returns."""
        await self._native.disconnect()
        await self._ended.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()


class Session(Viewer):
    """A session: video goes to the server, a model changes it, and it comes back. It ends with `disconnect`, with its
    `async with`, or with that of the client."""

    def __init__(
        self,
        native: _native.Session,
        emitter: Emitter[SessionEvent],
        ended: asyncio.Event,
        http: Http,
        filming: "asyncio.Task[None] | None",
    ) -> None:
        """@private"""
        super().__init__(native, emitter, ended)
        self._http = http
        self._filming = filming
        self._order = asyncio.Lock()

    @property
    def session_id(self) -> str | None:
        """What the server calls this connection; another one after each reconnect."""
        return self._native.id

    @property
    def subscribe_token(self) -> str | None:
        """Whoever has it can watch. Another one after each reconnect."""
        return self._native.token

    async def set(
        self, *, prompt: str | None = None, enhance: bool = True, image: ImageSource | None = None
    ) -> None:
        """Replaces everything at once: what is left out is taken away. Returns when the server has taken it.

        `enhance` permits the server to rewrite the prompt for the model.
        """
        async with self._order:
            file = None if image is None else await image_file(image)
            taken = self._native.set(prompt, enhance, file)
        await taken

    async def set_prompt(self, prompt: str, *, enhance: bool = True) -> None:
        """Sets the prompt and leaves the image. Returns when the server has taken it."""
        async with self._order:
            taken = self._native.set_prompt(prompt, enhance)
        await taken

    async def set_image(self, image: ImageSource | None) -> None:
        """Sets the image, or takes it away; the prompt stays. Returns when the server has taken it."""
        # Changes go out in the order of the calls, also when a file has to be read first.
        async with self._order:
            taken = self._native.set_image(None if image is None else await image_file(image))
        await taken

    async def receipt(self, *, timeout: float = _RECEIPT) -> SessionReceipt:
        """What the session cost: all its connections, those before a reconnect included. To be asked when it has ended, in
        whatever way: it waits until the server has settled the session, for so many seconds at most."""
        session = self.session_id
        if session is None:
            raise DispatchError("invalid_state", "there was no session")
        until = time.monotonic() + timeout
        while True:
            receipt = _receipt(await self._http.json("GET", "v1", "sessions", session))
            if receipt.settled:
                return receipt
            if time.monotonic() > until:
                raise DispatchError("timeout", "the session is not settled yet")
            await asyncio.sleep(_ASK_EVERY)


def telling() -> tuple[Emitter[SessionEvent], asyncio.Event, Callable[[str | None], None]]:
    """Who hears what happens, and how it is told."""
    emitter: Emitter[SessionEvent] = Emitter(_value, lambda event: isinstance(event, GenerationTick))
    ended = asyncio.Event()

    def tell(text: str | None) -> None:
        if text is not None:
            emitter.emit(_event(json.loads(text)))
            return
        emitter.end()
        ended.set()

    return emitter, ended, tell


def _event(said: Mapping[str, Any]) -> SessionEvent:
    match said["name"]:
        case "connection_change":
            return ConnectionChange(said["state"])
        case "generation_tick":
            credits = said.get("credits")
            return GenerationTick(said["seconds"], None if credits is None else Decimal(credits))
        case _:
            error = said["error"]
            kind, permanent = error.get("error_type"), error.get("permanent", False)
            return SessionError(DispatchError(error["code"], error["message"], None, kind, permanent))


def _value(event: SessionEvent) -> tuple[str, object]:
    match event:
        case ConnectionChange(state):
            return "connection_change", state
        case SessionError(error):
            return "error", error
        case GenerationTick():
            return "generation_tick", event


def _known(event: str) -> str:
    if event not in ("connection_change", "error", "generation_tick"):
        raise DispatchError("invalid_input", f"there is no event {event!r}")
    return event


@overload
async def image_file(image: ImageSource) -> bytes: ...
@overload
async def image_file(image: None) -> None: ...
async def image_file(image: ImageSource | None) -> bytes | None:
    if image is None or isinstance(image, bytes):
        return image
    try:
        return await asyncio.to_thread(Path(image).read_bytes)
    except OSError as error:
        raise DispatchError("invalid_input", f"the image cannot be read: {error.strerror}") from error


def _receipt(said: Mapping[str, Any]) -> SessionReceipt:
    return SessionReceipt(
        session=said["session"],
        key=said["key"],
        connections=tuple(
            ConnectionReceipt(
                connection=it["connection"],
                model=it["model"],
                opened_at=it["openedAt"],
                ended_at=it.get("endedAt"),
                reason=it.get("reason"),
                seconds=it["seconds"],
                credits=Decimal(it["credits"]),
            )
            for it in said["connections"]
        ),
        seconds=said["seconds"],
        credits=Decimal(said["credits"]),
        settled=said["settled"],
        reason=said.get("reason"),
    )
