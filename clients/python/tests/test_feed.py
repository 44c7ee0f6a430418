"""Nothing is lost of what comes piece by piece."""

import asyncio
import unittest
from collections.abc import AsyncGenerator

from dispatch_client import Feed


class Feeding(unittest.IsolatedAsyncioTestCase):
    async def test_a_wait_that_is_cancelled_loses_nothing(self) -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()

        async def pieces() -> AsyncGenerator[int, None]:
            while True:
                yield await queue.get()

        async with Feed(pieces()) as feed:
            heard = []
            for number in range(200):
                if number % 3:
                    # Sometimes it comes in the very moment in which the wait is cancelled.
                    waiting = asyncio.ensure_future(anext(feed))
                    await asyncio.sleep(0)
                    queue.put_nowait(number)
                    for _ in range(number % 5):
                        await asyncio.sleep(0)
                    waiting.cancel()
                    try:
                        heard.append(await waiting)
                    except asyncio.CancelledError:
                        heard.append(await anext(feed))
                else:
                    queue.put_nowait(number)
                    heard.append(await anext(feed))
            self.assertEqual(heard, list(range(200)))

    async def test_an_error_is_told_and_ends_it(self) -> None:
        async def pieces() -> AsyncGenerator[int, None]:
            yield 1
            raise ValueError("as it is meant to")

        feed = Feed(pieces())
        self.assertEqual(await anext(feed), 1)
        with self.assertRaisesRegex(ValueError, "as it is meant to"):
            await anext(feed)
        self.assertEqual([piece async for piece in feed], [])

    async def test_what_is_closed_ends_at_once(self) -> None:
        is_left = asyncio.Event()

        async def pieces() -> AsyncGenerator[int, None]:
            try:
                await asyncio.sleep(600)
                yield 1
            finally:
                is_left.set()

        feed = Feed(pieces())
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(feed), 0.01)
        await feed.aclose()
        self.assertTrue(is_left.is_set())
        self.assertEqual([piece async for piece in feed], [])
