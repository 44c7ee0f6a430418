"""Trying again."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ._error import DispatchError

T = TypeVar("T")

_PATIENCE = 10.0
"""For how long requests that got no answer are sent again, in seconds."""


async def repeated(attempt: Callable[[], Awaitable[T]]) -> T:
    """Does it again while the server does not answer."""
    begun, delay = time.monotonic(), 0.125
    while True:
        try:
            return await attempt()
        except DispatchError as error:
            if error.permanent or time.monotonic() - begun > _PATIENCE:
                raise
        # A little more or less, so that not all clients of a server come back at once.
        await asyncio.sleep(delay * random.uniform(0.8, 1.2))
        delay *= 2
