"""Handlers hear everything once, in order, whatever others do."""

import asyncio
import unittest
from collections.abc import Callable

from dispatch_client._emitter import Emitter


def emitter() -> Emitter[int | str]:
    """Of numbers, which may be forgotten, and words."""
    return Emitter(lambda event: (type(event).__name__, event), lambda event: isinstance(event, int))


class Emitting(unittest.IsolatedAsyncioTestCase):
    async def test_handlers_that_are_attached_in_one_go_hear_what_was_before(self) -> None:
        told = emitter()
        for event in (1, "a", 2):
            told.emit(event)
        numbers: list[object] = []
        words: list[object] = []
        told.on("int", numbers.append)
        told.on("str", words.append)
        stream = told.stream()
        told.emit(3)
        self.assertEqual((numbers, words), ([], []))
        await asyncio.sleep(0)
        self.assertEqual((numbers, words), ([1, 2, 3], ["a"]))
        told.emit(4)
        self.assertEqual(numbers, [1, 2, 3, 4])
        told.end()
        self.assertEqual([event async for event in stream], [1, "a", 2, 3, 4])
        self.assertEqual([event async for event in told.stream()], [])

    async def test_a_stream_that_comes_after_the_end_hears_what_nobody_has_heard(self) -> None:
        told = emitter()
        told.emit(1)
        told.end()
        self.assertEqual([event async for event in told.stream()], [1])

    async def test_a_handler_that_fails_stops_no_other_and_is_logged(self) -> None:
        told = emitter()
        heard: list[object] = []

        def fail(_: object) -> None:
            raise ValueError("as it is meant to")

        async def fail_later(_: object) -> None:
            raise ValueError("later")

        for handler in (fail, fail_later, heard.append):
            told.on("int", handler)
        with self.assertLogs("dispatch_client", "ERROR") as logged:
            told.emit(1)
            told.emit(2)
            for _ in range(5):
                await asyncio.sleep(0)
        self.assertEqual(heard, [1, 2])
        self.assertEqual(sum("as it is meant to" in line for line in logged.output), 2)
        self.assertEqual(sum("later" in line for line in logged.output), 2)

    async def test_a_handler_can_be_taken_away_also_while_events_are_delivered(self) -> None:
        told = emitter()
        heard: list[tuple[str, object]] = []
        gone: Callable[[object], None] = lambda event: heard.append(("gone", event))  # noqa: E731

        def takes(event: object) -> None:
            heard.append(("takes", event))
            told.off("int", gone)

        told.on("int", takes)
        told.on("int", gone)
        await asyncio.sleep(0)
        told.emit(1)
        told.off("int", takes)
        told.off("int", takes)
        told.emit(2)
        self.assertEqual(heard, [("takes", 1)])

    async def test_what_a_handler_causes_comes_after_what_all_are_being_told(self) -> None:
        told = emitter()
        heard: list[tuple[int, object]] = []

        def first(event: object) -> None:
            heard.append((1, event))
            if event == 1:
                told.emit(2)

        told.on("int", first)
        told.on("int", lambda event: heard.append((2, event)))
        await asyncio.sleep(0)
        told.emit(1)
        self.assertEqual(heard, [(1, 1), (2, 1), (1, 2), (2, 2)])

    async def test_the_same_handler_is_called_once_and_other_names_break_nobody(self) -> None:
        told = emitter()
        heard: list[object] = []
        told.on("int", heard.append)
        listener = heard.append
        told.on("str", listener)
        told.on("str", listener)
        told.off("float", listener)
        await asyncio.sleep(0)
        told.emit("a")
        self.assertEqual(heard, ["a"])

    async def test_what_nobody_wants_takes_bounded_memory(self) -> None:
        told = emitter()
        told.emit("first")
        for number in range(2_000):
            told.emit(number)
        heard = told.stream()
        told.end()
        all_of_them = [event async for event in heard]
        self.assertEqual((len(all_of_them), all_of_them[:2]), (1_000, ["first", 1_001]))

    async def test_a_wait_that_is_cancelled_loses_nothing(self) -> None:
        told = emitter()
        stream = told.stream()
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(stream), 0.01)
        told.emit(1)
        self.assertEqual(await asyncio.wait_for(anext(stream), 1), 1)

    async def test_a_stream_that_nobody_reads_any_more_is_let_go_of(self) -> None:
        told = emitter()
        told.stream()
        kept = told.stream()
        await asyncio.sleep(0)
        self.assertEqual(list(told._streams), [kept])
