"""Tells handlers what happens, and keeps what happened before there was one."""

import asyncio
import inspect
import logging
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

_log = logging.getLogger("dispatch_client")

_KEPT = 1_000
"""How many events are kept for the first handler. Beyond that, the oldest of those that may be forgotten are."""

T = TypeVar("T")
Handler = Callable[[T], object]


class Emitter(Generic[T]):
    """Events by name.

    Until the first handler is attached, events are kept. They are delivered in order one turn of the event loop after
    that, so that all handlers that are attached in the same go hear everything; afterwards events are delivered as they
    come. A handler that fails stops no other. To be used in its loop alone.
    """

    def __init__(self, value: Callable[[T], tuple[str, object]], is_forgettable: Callable[[T], bool]) -> None:
        """`value` gives an event's name, and what its handlers are called with."""
        self._value = value
        self._is_forgettable = is_forgettable
        self._loop = asyncio.get_running_loop()
        self._handlers: dict[str, dict[Handler[object], None]] = {}
        self._streams: weakref.WeakSet[Stream[T]] = weakref.WeakSet()
        self._waiting: deque[T] = deque()
        self._is_live = False
        self._is_soon = False
        self._is_delivering = False
        self._is_over = False
        self._tasks: set[asyncio.Future[object]] = set()

    def on(self, name: str, handler: Handler[object]) -> None:
        self._handlers.setdefault(name, {})[handler] = None
        self._begin()

    def off(self, name: str, handler: Handler[object]) -> None:
        self._handlers.get(name, {}).pop(handler, None)

    def stream(self) -> "Stream[T]":
        stream: Stream[T] = Stream(self._loop)
        if self._is_over and self._is_live:
            stream.end()
        else:
            self._streams.add(stream)
            self._begin()
        return stream

    def emit(self, event: T) -> None:
        self._waiting.append(event)
        if not self._is_live and len(self._waiting) > _KEPT:
            for kept in self._waiting:
                if self._is_forgettable(kept):
                    self._waiting.remove(kept)
                    break
        self._deliver()

    def end(self) -> None:
        """There will be no more."""
        self._is_over = True
        self._deliver()

    def _begin(self) -> None:
        if not self._is_live and not self._is_soon:
            self._is_soon = True
            self._loop.call_soon(self._begin_now)

    def _begin_now(self) -> None:
        self._is_soon = False
        # Whoever was attached may be gone again: the next one is the first.
        self._is_live = len(self._streams) > 0 or any(self._handlers.values())
        self._deliver()

    def _deliver(self) -> None:
        """What a handler causes to happen is delivered after what all are being told now."""
        if self._is_delivering or not self._is_live:
            return
        self._is_delivering = True
        while self._waiting:
            event = self._waiting.popleft()
            for stream in list(self._streams):
                stream.put(event)
            name, value = self._value(event)
            handlers = self._handlers.get(name, {})
            for handler in list(handlers):
                if handler in handlers:
                    self._call(handler, value)
        self._is_delivering = False
        if self._is_over:
            for stream in list(self._streams):
                stream.end()
            self._streams.clear()

    def _call(self, handler: Handler[object], value: object) -> None:
        try:
            result = handler(value)
        except Exception:
            _log.exception("a handler failed")
            return
        if inspect.isawaitable(result):
            task = asyncio.ensure_future(result)
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Future[object]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a handler failed", exc_info=error)


class Stream(AsyncIterator[T], Generic[T]):
    """The events from now on, in order. For one reader at a time; nothing is lost when a wait is cancelled."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """@private"""
        self._loop = loop
        self._events: deque[T] = deque()
        self._is_over = False
        self._waiter: asyncio.Future[None] | None = None
        self._taken: Callable[[], None] | None = None

    def __aiter__(self) -> "Stream[T]":
        return self

    async def __anext__(self) -> T:
        while not self._events:
            if self._is_over:
                raise StopAsyncIteration
            self._waiter = self._loop.create_future()
            await self._waiter
        if self._taken is not None:
            self._taken()
        return self._events.popleft()

    def put(self, event: T) -> None:
        """@private"""
        self._events.append(event)
        self._wake()

    def end(self) -> None:
        """@private"""
        self._is_over = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
