"""What comes piece by piece, for `async for`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Feed(AsyncIterator[T], Generic[T]):
    """What comes, in its order. Nothing is lost when a wait for the next piece is cancelled, by `asyncio.wait_for` for
    example: it comes with the next wait. For one reader at a time."""

    def __init__(self, pieces: AsyncGenerator[T, None]) -> None:
        """@private"""
        self._pieces = pieces
        self._next: asyncio.Task[T] | None = None

    async def __anext__(self) -> T:
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._pieces))
        task = self._next
        try:
            piece = await asyncio.shield(task)
        except asyncio.CancelledError:
            # One whose wait was cancelled goes on, and may be there already.
            if task.cancelled():
                self._next = None
            raise
        except BaseException:
            self._next = None
            raise
        self._next = None
        return piece

    async def aclose(self) -> None:
        """Ends it. What was begun on the server goes on."""
        task, self._next = self._next, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await self._pieces.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
