"""The scenario that all clients of this project play: against the server as it is shipped, which is killed meanwhile.

    python tests/scenario.py [WORDS OF A CHECK]

The server is `target/release/dispatch`, or what `DISPATCH_BINARY` names. Prints a line for each check.
"""

import asyncio
import collections
import io
import struct
import sys
import time
import traceback
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np
from dispatch_client import (
    Camera,
    Client,
    ConnectionChange,
    DispatchError,
    Feed,
    GenerationTick,
    Picture,
    Retry,
    Session,
    Viewer,
    events,
)
from server import Door, Server

T = TypeVar("T")

OPERATOR = "the-key-of-the-operator"
PATIENCE = 60.0
CONFIG = f"""
[auth]
api_keys = ["{OPERATOR}"]

[[realtime.models]]
name = "small"
width = 320
height = 180
fps = 15
credits_per_second = 1
"""
LONG = "count to 60"
COUNTED = " ".join(str(number) for number in range(1, 61))

# What is strong on the left, and on the right.
PLAIN = "r b"
INVERTED = "gb rg"
MIRRORED = "b r"


class Failed(Exception):
    """Something is not as it has to be."""


def check(is_so: bool, why: object) -> None:
    if not is_so:
        raise Failed(str(why))


def equal(left: object, right: object, what: str) -> None:
    check(left == right, f"{what}: {left!r} instead of {right!r}")


async def until(what: str, condition: Callable[[], Any]) -> None:
    """Waits until that is `True`; what it is instead is told."""
    end = time.monotonic() + PATIENCE
    while (it := condition()) is not True:
        check(time.monotonic() < end, f"waited for {what}: {it!r}")
        await asyncio.sleep(0.02)


async def failure(call: Awaitable[object]) -> DispatchError:
    """What a call fails with."""
    try:
        await call
    except DispatchError as error:
        return error
    raise Failed("nothing failed")


class Screen:
    """What comes, and of what colour it is."""

    def __init__(self, viewer: Viewer) -> None:
        self.last: Picture | None = None
        self.count = 0
        self._task = asyncio.create_task(self._watch(viewer))

    async def _watch(self, viewer: Viewer) -> None:
        async for frame in viewer.frames():
            self.last = frame.image
            self.count += 1

    def look(self) -> str:
        """Red, green and blue on the left and on the right: which of them are strong."""
        if self.last is None:
            return "nothing"
        height, width, _ = self.last.shape
        said = []
        for x in (width // 4, 3 * width // 4):
            colour = self.last[height // 2 - 4 : height // 2 + 4, x - 4 : x + 4].mean(axis=(0, 1))
            said.append("".join(name for name, value in zip("rgb", colour, strict=True) if value > 128))
        return " ".join(said)

    async def shows(self, look: str) -> None:
        await until(look, lambda: self.look() == look or self.look())


class Heard:
    """What a session tells, by handlers and as a stream."""

    def __init__(self, viewer: Viewer) -> None:
        self.states: list[str] = []
        self.errors: list[DispatchError] = []
        self.ticks: list[GenerationTick] = []
        viewer.on("connection_change", self.states.append)
        viewer.on("error", self.errors.append)
        viewer.on("generation_tick", self.ticks.append)
        self.stream = asyncio.create_task(self._read(viewer))

    @property
    def seconds(self) -> list[int]:
        return [tick.seconds for tick in self.ticks]

    async def has(self, state: str) -> None:
        await until(state, lambda: state in self.states or self.states)

    async def _read(self, viewer: Viewer) -> list[object]:
        return [event async for event in viewer]


def counted(ticks: list[int], what: str) -> None:
    """1, 2, 3 …, each once."""
    equal(ticks, list(range(1, len(ticks) + 1)), what)


async def film(camera: Camera) -> None:
    """Red on the left, blue on the right; something moves, so that each picture is another one."""
    at = 0
    while True:
        picture = np.zeros((180, 320, 3), np.uint8)
        picture[:, :160] = (200, 20, 20)
        picture[:, 160:] = (20, 20, 200)
        picture[:8, at : at + 4] = 255
        camera.show(picture)
        at = (at + 3) % 316
        await asyncio.sleep(1 / 15)


def png(colour: tuple[int, int, int]) -> bytes:
    """An image of one colour, as a file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    file = io.BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)))
    file.write(chunk(b"IDAT", zlib.compress((b"\0" + bytes(colour) * 64) * 64)) + chunk(b"IEND", b""))
    return file.getvalue()


class Given:
    """A server, and keys to it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.key = server.key(OPERATOR, "1000")

    @asynccontextmanager
    async def session(self, key: str = "", **options: Any) -> AsyncIterator[tuple[Client, Session, Heard, Screen]]:
        camera = Camera(15)
        filming = asyncio.create_task(film(camera))
        try:
            async with Client(self.server.url, key or self.key) as client:
                connecting = client.realtime.connect(camera, model="small", **options)
                session = await asyncio.wait_for(connecting, PATIENCE)
                yield client, session, Heard(session), Screen(session)
        finally:
            filming.cancel()


async def life(given: Given) -> None:
    """a session lives, is lost with its server, and comes back"""
    async with given.session(prompt="invert") as (client, session, heard, screen):
        check(session.is_connected(), "it is not connected")
        check(bool(session.session_id and session.subscribe_token), "it has no name")
        await heard.has("generating")
        await screen.shows(INVERTED)
        await until("three ticks", lambda: len(heard.ticks) >= 3 or heard.ticks)
        counted(heard.seconds, "ticks")
        left = [tick.credits for tick in heard.ticks]
        equal(left, [Decimal(1000 - second) for second in heard.seconds], "credits that are left")
        states = [state for state in heard.states if state != "connected"]
        equal(states, ["connecting", "generating"], "states")

        # Prompt and image.
        await session.set_prompt("mirror", enhance=False)
        await screen.shows(MIRRORED)
        prompts = ("grey", "invert", "mirror")
        await asyncio.gather(*(session.set_prompt(prompt) for prompt in prompts))
        await screen.shows(MIRRORED)
        file = given.server.folder / "green.png"
        file.write_bytes(png((0, 255, 0)))
        await session.set_image(file)
        await until("another colour", lambda: screen.look() != MIRRORED or screen.look())
        await session.set_image(None)
        await screen.shows(MIRRORED)
        # What has to be read first is not overtaken by a later change.
        await asyncio.gather(session.set_image(str(file)), session.set(prompt="invert"))
        await screen.shows(INVERTED)
        equal((await failure(session.set_prompt("  "))).code, "invalid_input", "a blank prompt")
        equal((await failure(session.set_image("/no/such/file"))).code, "invalid_input", "no such file")
        large = await failure(session.set_image(bytes(10_000_001)))
        equal(large.code, "rejected", f"what is too large ({large})")
        await screen.shows(INVERTED)

        # A viewer.
        check(session.subscribe_token is not None, "there is no token")
        viewer = await client.realtime.subscribe(str(session.subscribe_token))
        seen, second = Heard(viewer), Screen(viewer)
        await second.shows(INVERTED)
        equal((await failure(client.realtime.subscribe("nonsense"))).code, "invalid_input", "no token")

        # The server is killed, with a change under way, and comes back.
        before, name = list(heard.ticks), session.session_id
        counted([tick.seconds for tick in before], "ticks before")

        async def late() -> None:
            await until("an end", lambda: not session.is_connected())
            await session.set_prompt("mirror")

        lost = asyncio.ensure_future(failure(late()))
        given.server.kill()
        equal((await lost).code, "not_connected", "a change while there is no session")
        await heard.has("reconnecting")
        await until("the viewer's end", lambda: not viewer.is_connected())
        heard.ticks.clear()
        heard.states.clear()
        given.server.run()
        await heard.has("generating")
        check(session.session_id not in (None, name), "it has the same name")
        await screen.shows(INVERTED)
        await until("ticks again", lambda: len(heard.ticks) >= 2 or heard.ticks)
        counted(heard.seconds, "ticks after")
        await until("the viewer to give up", lambda: viewer.connection_state == "disconnected")
        await seen.stream
        equal((seen.states[-1], len(seen.errors)), ("disconnected", 1), "what the viewer has heard")

        # The receipt has both connections.
        await session.disconnect()
        equal(heard.states[-1], "disconnected", "the state at the end")
        receipt = await session.receipt()
        equal((receipt.settled, receipt.reason, len(receipt.connections)), (True, "disconnect", 2), "the receipt")
        first, last = (connection.seconds for connection in receipt.connections)
        check(first >= len(before), f"{first} seconds and {len(before)} ticks before")
        equal(last, len(heard.ticks), "seconds after")
        equal((receipt.seconds, receipt.credits), (first + last, Decimal(first + last)), "the sum")
        late_error = await failure(session.set_prompt("late"))
        equal(late_error.code, "not_connected", "a change after the end")
        equal(heard.errors, [], "errors")
        told = [event for event in await heard.stream if isinstance(event, GenerationTick)]
        equal([tick.seconds for tick in told], [*range(1, len(before) + 1), *heard.seconds], "ticks of the stream")

        # And it can be gone on with.
        async with given.session(session=session.session_id) as (_, again, heard_again, screen_again):
            await heard_again.has("generating")
            await screen_again.shows(INVERTED)
            await again.disconnect()
            equal(len((await again.receipt()).connections), 3, "connections of the same session")


async def credits_end(given: Given) -> None:
    """a session whose credits end is over, and nothing tries again"""
    key = given.server.key(OPERATOR, "3")
    async with given.session(key) as (client, session, heard, screen):
        await screen.shows(PLAIN)
        pending: list[asyncio.Future[DispatchError]] = []

        def change(state: str) -> None:
            if state == "disconnected":
                pending.append(asyncio.ensure_future(failure(session.set_prompt("late"))))

        session.on("connection_change", change)
        await heard.has("disconnected")
        equal(heard.seconds, [1, 2, 3], "ticks")
        equal([tick.credits for tick in heard.ticks], [Decimal(2), Decimal(1), Decimal(0)], "credits that are left")
        types = {error.type for error in heard.errors}
        equal(types, {"insufficient_credits"}, "errors")
        equal([error.code for error in await asyncio.gather(*pending)], ["not_connected"], "pending calls")
        told, pictures = list(heard.states), screen.count
        await asyncio.sleep(4)
        equal((heard.states, screen.count), (told, pictures), "what came after the end")
        equal(session.connection_state, "disconnected", "the state")
        receipt = await session.receipt()
        cost = (receipt.seconds, receipt.credits, receipt.reason, len(receipt.connections))
        equal(cost, (3, Decimal(3), "insufficient_credits", 1), "the receipt")
        ended = await heard.stream
        check(ConnectionChange("disconnected") in ended, f"the stream has no end: {ended}")
        refused = await failure(client.realtime.connect(Camera(15), model="small"))
        equal((refused.type, refused.permanent), ("insufficient_credits", True), "the next one")


async def operator_ends(given: Given) -> None:
    """the operator ends a session, and a change under way fails at once"""
    async with given.session() as (_, session, heard, _screen):
        await until("a tick", lambda: len(heard.ticks) > 0)
        await asyncio.to_thread(given.server.ask, "DELETE", f"/v1/sessions/{session.session_id}", OPERATOR)
        await heard.has("disconnected")
        equal([error.type for error in heard.errors], ["session_deleted"], "errors")
        equal((await session.receipt()).reason, "deleted_by_operator", "the receipt")


async def refused(given: Given) -> None:
    """what cannot be fails at once, and no error has a key in it"""
    begun = time.monotonic()

    def connect(key: str, url: str = given.server.url, **options: Any) -> Awaitable[object]:
        return Client(url, key).realtime.connect(Camera(15), **{"model": "small", **options})

    wrong = await failure(connect("no-such-key"))
    equal((wrong.type, wrong.permanent), ("invalid_api_key", True), "a wrong key")
    nobody = await failure(connect("no-such-key", "http://127.0.0.1:9", retry=Retry(delays=())))
    equal(nobody.code, "refused", "no server")
    asked = await failure(Client(given.server.url, "no-such-key").conversations.list())
    equal((asked.status, asked.code, asked.permanent), (401, "unauthorized", True), "a question with a wrong key")
    for error in (wrong, nobody, asked):
        told = f"{error} {error!r} {error.args} {traceback.format_exception(error)}"
        check("no-such-key" not in told, f"the key is in {error!r}")
    client = Client(given.server.url, "no-such-key")
    check("no-such-key" not in repr(client) + str(vars(client)), "the key is in the client")
    equal((await failure(connect(given.key, model="no-such-model"))).type, "invalid_model", "a wrong model")
    equal((await failure(connect(given.key, prompt=" "))).code, "invalid_input", "a blank prompt")
    try:
        await asyncio.wait_for(connect(given.key), 0.001)
        raise Failed("it has waited")
    except TimeoutError:
        pass
    check(time.monotonic() - begun < PATIENCE, "it took too long")


async def token(given: Given) -> None:
    """a client token opens a session and nothing else, and pictures can be an async iterable"""

    async def pictures() -> AsyncIterator[Picture]:
        while True:
            picture = np.zeros((180, 320, 3), np.uint8)
            picture[:, :160], picture[:, 160:] = (200, 20, 20), (20, 20, 200)
            # A view that is not contiguous is as good.
            yield picture[:, ::-1]
            await asyncio.sleep(1 / 15)

    async with Client(given.server.url, given.key) as owner:
        made = await owner.tokens.create(expires_in=60, allowed_models=["small"])
        check(made.api_key not in repr(made), "the token is in its repr")
    async with Client(given.server.url, made.api_key) as client:
        async with await client.realtime.connect(pictures(), model="small") as session:
            await Screen(session).shows(MIRRORED)
        equal(session.connection_state, "disconnected", "the state")
        equal((await session.receipt()).reason, "disconnect", "the receipt of what the token has opened")
        equal((await failure(client.conversations.list())).status, 401, "conversations for a token")


async def nothing_left(given: Given) -> None:
    """nothing is held at the end"""

    def held() -> Any:
        metrics = given.server.ask("GET", "/metrics/realtime", OPERATOR)
        return metrics["sessions"] + metrics["connections"] == 0 or metrics

    await until("the last session to go", held)


def text(heard: list[events.Event]) -> str:
    return "".join(event.delta for event in heard if event.type == "text-delta")


def told(heard: list[events.Event]) -> list[dict[str, Any]]:
    """What was said, whatever pieces it came in."""
    whole: list[dict[str, Any]] = []
    for event in heard:
        it = {name: value for name, value in vars(event).items() if name not in ("event_seq", "attempt")}
        if whole and "delta" in it and whole[-1]["type"] == it["type"]:
            whole[-1]["delta"] += it["delta"]
        else:
            whole.append(it)
    return whole


def ascending(heard: list[events.Event]) -> None:
    """Each number once: deltas that were merged carry the number of the last."""
    numbers = [seq for event in heard if (seq := getattr(event, "event_seq", None)) is not None]
    equal(numbers, sorted(set(numbers)), "numbers of events")


async def until_sealed(feed: Feed[events.Event], heard: list[events.Event] | None = None) -> list[events.Event]:
    heard = [] if heard is None else heard
    async for event in feed:
        heard.append(event)
        if event.type == "turn-sealed":
            break
    return heard


async def conversation(given: Given) -> None:
    """a conversation is sent, streamed, and watched by one who joins late; the history is what was streamed"""
    async with Client(given.server.url, OPERATOR) as client:
        conversations = client.conversations
        turn = conversations.stream("count to 40 slowly")
        heard: list[events.Event] = []
        late: asyncio.Task[list[events.Event]] | None = None
        async for event in turn:
            heard.append(event)
            if late is None and len(text(heard)) > 30:
                late = asyncio.create_task(until_sealed(conversations.watch(turn.conversation_id)))
        check(late is not None, "there was no time to join")
        assert late is not None
        ascending(heard)
        equal(told(await asyncio.wait_for(late, PATIENCE)), told(heard), "what the late one has heard")
        equal(heard[0].type, "user-message", "the first event")
        history = await conversations.history(turn.conversation_id)
        said = [(chunk.role, chunk.chunk.get("text")) for chunk in history.chunks]
        equal(said, [("user", "count to 40 slowly"), ("assistant", text(heard))], "the history")
        equal(history.latest_seq, 2, "its end")
        sent = await conversations.send("say more", conversation_id=turn.conversation_id)
        check(sent.turn_id is not None and sent.queue is None, sent)
        equal(await conversations.last(turn.conversation_id), "more", "the last answer")
        pages = [page async for page in conversations.pages(turn.conversation_id, limit=3)]
        equal([[chunk.seq for chunk in page] for page in pages], [[2, 3, 4], [1]], "pages")
        equal(len(await conversations.metrics(turn.conversation_id)), 2, "metrics")
        listed = [it.id for it in await conversations.list(id_prefix=turn.conversation_id)]
        equal(listed, [turn.conversation_id], "the list")
        equal(await conversations.stream("say hello there").text(), "hello there", "the text of a turn")
        failed = await failure(conversations.stream("fail").text())
        check(failed.permanent, repr(failed))


async def steering(given: Given) -> None:
    """a running turn is steered, another one is stopped"""
    async with Client(given.server.url, OPERATOR) as client:
        conversations = client.conversations
        turn = conversations.stream("run `sleep 1` then say done")
        heard: list[events.Event] = []
        async for event in turn:
            heard.append(event)
            if event.type == "tool-call":
                steered = await conversations.steer(
                    turn.conversation_id, event.turn_id, "say steered", client_message_id="s1"
                )
                check(not steered.started_turn, steered)
        [steer] = [event for event in heard if event.type == "steering"]
        equal((steer.text, steer.client_message_id), ("say steered", "s1"), "the steering")
        check(text(heard).endswith("steered"), text(heard))
        wrong = await failure(conversations.steer(turn.conversation_id, "turn-of-before", "say no"))
        equal(wrong.code, "turn-mismatch", "steering another turn")

        turn = conversations.stream("count to 1000 slowly")
        heard = []
        async for event in turn:
            heard.append(event)
            if sum(event.type == "text-delta" for event in heard) == 5 and event.type == "text-delta":
                check(await conversations.stop(turn.conversation_id), "no turn was running")
        [done] = [event for event in heard if event.type == "done"]
        equal(done.reason, "aborted", "the end")
        check(not await conversations.stop(turn.conversation_id), "a turn was running")


async def busy(given: Given) -> None:
    """a message that is sent while a turn runs is refused, or waits"""
    async with Client(given.server.url, OPERATOR) as client:
        conversations = client.conversations
        here = {"conversation_id": "busy"}
        await conversations.send("count to 1000 slowly", **here)  # type: ignore[arg-type]
        error = await failure(conversations.send("say no", conversation_id="busy"))
        equal((error.code, error.permanent), ("turn-active", True), "another message")
        queued = await conversations.send("say later", conversation_id="busy", when_active="queue")
        equal([it.text for it in queued.queue or ()], ["say later"], "the queue")
        [waiting] = await conversations.queued("busy")
        check(await conversations.cancel_queued("busy", waiting.id), "it was not in the queue")
        turn = conversations.stream("say now", conversation_id="busy", when_active="interrupt")
        equal(await turn.text(), "now", "the message that took its place")
        once = {"conversation_id": "once", "client_message_id": "m1"}
        first = await conversations.send("say hello", **once)  # type: ignore[arg-type]
        await conversations.last("once")
        equal(await conversations.send("say hello", **once), first, "the same again")  # type: ignore[arg-type]
        equal(len((await conversations.history("once")).chunks), 2, "chunks")


async def cut(given: Given) -> None:
    """a watcher and a stream whose sockets are cut lose nothing and hear nothing twice"""
    async with Door(given.server.port) as door:
        direct = Client(given.server.url, OPERATOR).conversations
        through = Client(door.url, OPERATOR).conversations
        sent = await direct.send(LONG)
        around = asyncio.create_task(until_sealed(direct.watch(sent.conversation_id)))
        heard: list[events.Event] = []
        cuts = 0
        feed = through.watch(sent.conversation_id)
        while cuts < 3:
            heard.append(await anext(feed))
            if len(text(heard)) > 40 * (cuts + 1):
                cuts += 1
                door.cut()
        await asyncio.wait_for(until_sealed(feed, heard), PATIENCE)
        equal(told(heard), told(await asyncio.wait_for(around, PATIENCE)), "what came through the door")
        check(COUNTED in text(heard), text(heard))
        check(all(event.type != "gap" for event in heard), "there is a gap")
        await feed.aclose()

        turn = through.stream(LONG)
        heard, cuts = [], 0
        async for event in turn:
            heard.append(event)
            if cuts < 3 and len(text(heard)) > 40 * (cuts + 1):
                cuts += 1
                door.cut()
        equal(cuts, 3, "cuts")
        ascending(heard)
        check(COUNTED in text(heard), text(heard))
        history = (await direct.history(turn.conversation_id)).chunks
        equal(collections.Counter(chunk.role for chunk in history)["user"], 1, "messages")
        history_text = "".join(str(it.chunk.get("text", "")) for it in history if it.role == "assistant")
        equal(history_text, text(heard), "the history")


async def gap(given: Given) -> None:
    """a turn that ended while the connection was away leaves a gap, for a stream and for a watcher"""
    async with Door(given.server.port) as door:
        direct = Client(given.server.url, OPERATOR).conversations
        through = Client(door.url, OPERATOR).conversations
        turn = through.stream(LONG)
        feed = through.watch(turn.conversation_id)
        heard: list[events.Event] = []
        watched: list[events.Event] = []
        async for event in turn:
            heard.append(event)
            if not watched:
                watched.append(await anext(feed))
            if door.is_open and len(text(heard)) > 30:
                door.is_open = False
                door.cut()
                await direct.last(turn.conversation_id)
                door.is_open = True
        equal([event.type for event in heard[-2:]], ["gap", "turn-sealed"], "the end of the stream")

        async def watch() -> None:
            while watched[-1].type not in ("gap", "turn-sealed"):
                watched.append(await anext(feed))

        await asyncio.wait_for(watch(), PATIENCE)
        equal(watched[-1].type, "gap", "the end for the watcher")
        await direct.send("say afterwards", conversation_id=turn.conversation_id)
        after = await asyncio.wait_for(until_sealed(feed), PATIENCE)
        if not text(after):
            # That was the end of the turn that was missed.
            after = await asyncio.wait_for(until_sealed(feed), PATIENCE)
        equal(text(after), "afterwards", "the next turn")
        await feed.aclose()


CHECKS: list[Callable[[Given], Awaitable[None]]] = [
    life,
    credits_end,
    operator_ends,
    refused,
    token,
    nothing_left,
    conversation,
    steering,
    busy,
    cut,
    gap,
]


def main(words: str) -> int:
    failed = count = 0
    with Server(CONFIG) as server:
        given = Given(server)
        for scene in CHECKS:
            name = scene.__doc__ or scene.__name__
            if words not in name:
                continue
            count += 1
            try:
                asyncio.run(asyncio.wait_for(scene(given), 4 * PATIENCE))
                print(f"ok {name}", flush=True)
            except Exception:
                failed += 1
                print(f"FAILED {name}: {traceback.format_exc()}", flush=True)
    print(f"{count} checks, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
