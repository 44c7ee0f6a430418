"""The Python SDK, unmodified, through a session's whole life. Both versions that the project supports run this file."""

import asyncio
import contextlib
import importlib.metadata
import logging
import sys
import time
import warnings
from datetime import datetime, timezone

import aiohttp
from decart import DecartClient, models
from decart.errors import DecartSDKError
from decart.models import ModelDefinition
from decart.realtime.client import RealtimeClient, SetInput
from decart.realtime.subscribe import SubscribeOptions
from decart.realtime.types import RealtimeConnectOptions
from decart.types import ModelState, Prompt
from pydantic import BaseModel

from front import Front
from pattern import Camera, Screen, reference_image
from report import Skip, options, run

VERSION = importlib.metadata.version("decart")
# 0.0.22 began to send the initial prompt before its offer.
IS_OLD = tuple(map(int, VERSION.split("."))) < (0, 0, 22)
given = options(__doc__)

# The SDK writes the whole address into its log, with the key.
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")


class Events:
    """What a client's events said, in order."""

    def __init__(self, client):
        self.states: list[str] = []
        self.errors: list[str] = []
        self.ticks: list[int] = []
        self.news = asyncio.Event()
        client.on("connection_change", lambda state: self.note(self.states, state))
        client.on("error", lambda error: self.note(self.errors, str(error)))
        client.on("generation_tick", lambda tick: self.note(self.ticks, tick.seconds))

    def note(self, where: list, what) -> None:
        where.append(what)
        self.news.set()

    async def until(self, what: str, condition, seconds: float = 20) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise AssertionError(
                f"waited {seconds} s for {what}: states {self.states}, errors {self.errors}, ticks {self.ticks}"
            ) from None


def equal(what: str, is_so, should_be) -> None:
    assert is_so == should_be, f"{what}: {is_so!r} instead of {should_be!r}"


def model(name: str = "") -> ModelDefinition:
    name = name or given.model
    with contextlib.suppress(DecartSDKError):
        return models.realtime(name)
    return ModelDefinition(name=name, url_path="/v1/stream", fps=25, width=1280, height=704, input_schema=BaseModel)


class Producer:
    """A connected client with its camera, screen and events."""

    def __init__(self, front: Front, **settings):
        self.front = front
        self.key = settings.pop("key", given.key)
        self.model = settings.pop("model", "")
        self.settings = settings
        self.screen = Screen()
        self.client: RealtimeClient | None = None

    async def __aenter__(self) -> "Producer":
        self.client = await RealtimeClient.connect(
            base_url=self.front.ws,
            api_key=self.key,
            local_track=Camera(),
            options=RealtimeConnectOptions(model=model(self.model), on_remote_stream=self.screen.show, **self.settings),
        )
        self.events = Events(self.client)
        return self

    async def __aexit__(self, *_) -> None:
        self.screen.close()
        await self.client.disconnect()

    async def generates(self) -> None:
        await self.events.until("generating", lambda: "generating" in self.events.states)


async def operator_ends(session: str) -> None:
    key = given.operator_key or given.key
    headers = {"X-API-KEY": key, "Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession() as http:
        async with http.delete(f"{given.url}/v1/sessions/{session}", headers=headers) as answer:
            assert answer.status < 300, f"DELETE /v1/sessions/{{id}} answered {answer.status}"


async def refused(within: float, **settings) -> str:
    """Connects in vain, and returns with what words."""
    begin = time.monotonic()
    async with Front(given.url) as front:
        try:
            async with Producer(front, **settings):
                raise AssertionError("the server accepted it")
        except DecartSDKError as error:
            took = time.monotonic() - begin
            assert took < within, f"it took {took:.1f} s: {error}"
            equal("attempts", front.attempts(), 1)
            return str(error)


async def generating() -> None:
    """connect() returns with ids; then states, ticks and pixels come, and a clean goodbye."""
    async with Front(given.url) as front:
        async with Producer(front) as producer:
            client, events = producer.client, producer.events
            assert client.session_id, "there is no session id when connect() returns"
            assert client.subscribe_token, "there is no subscribe token when connect() returns"
            assert client.is_connected()
            await producer.generates()
            await producer.screen.sees("none")
            await events.until("three ticks", lambda: len(events.ticks) >= 3)
            equal("ticks", events.ticks[:3], [1, 2, 3])
            equal("errors", events.errors, [])
            allowed = (["connecting", "connected", "generating"], ["connecting", "generating"])
            assert events.states in allowed, f"states: {events.states}"
        equal("state at the end", events.states[-1], "disconnected")
        equal("attempts", front.attempts(), 1)


async def initial_prompt() -> None:
    """A prompt that is given with connect() holds from the first frame on."""
    settings = {"initial_state": ModelState(prompt=Prompt(text="invert"))}
    if IS_OLD:
        from decart.realtime.types import InitialPromptOptions

        settings = {"initial_prompt": InitialPromptOptions(text="invert")}
    async with Front(given.url) as front, Producer(front, **settings) as producer:
        await producer.generates()
        await producer.screen.sees("invert", tinted=False)
        equal("errors", producer.events.errors, [])


async def initial_state() -> None:
    """The old SDK sends its initial state after connecting, the new one an image and a prompt before."""
    state = ModelState(prompt=Prompt(text="mirror"))
    if not IS_OLD:
        state.image = reference_image()
    async with Front(given.url) as front, Producer(front, initial_state=state) as producer:
        await producer.generates()
        await producer.screen.sees("mirror", tinted=not IS_OLD)
        equal("errors", producer.events.errors, [])


async def prompts() -> None:
    """Each new prompt is acked and changes the picture."""
    async with Front(given.url) as front, Producer(front) as producer:
        client, screen = producer.client, producer.screen
        await producer.generates()
        await screen.sees("none")
        await client.set_prompt("invert")
        await screen.sees("invert")
        await client.set_prompt("mirror", enhance=False)
        await screen.sees("mirror")
        await client.set(SetInput(prompt="grey"))
        await screen.sees("grey")
        equal("errors", producer.events.errors, [])


async def images() -> None:
    """Reference images are acked, change the colours, and go away again."""
    image = reference_image()
    async with Front(given.url) as front, Producer(front) as producer:
        client, screen = producer.client, producer.screen
        await producer.generates()
        await client.set_image(image)
        await screen.sees("none", tinted=True)
        await client.set(SetInput(prompt="mirror", image=image))
        await screen.sees("mirror", tinted=True)
        await client.set_image(None)
        await screen.sees("mirror", tinted=False)
        await client.set_image(image, prompt="invert")
        await screen.sees("invert", tinted=True)
        # A prompt alone replaces the whole state, and so takes the image away.
        await client.set(SetInput(prompt="invert"))
        await screen.sees("invert", tinted=False)
        equal("errors", producer.events.errors, [])


async def oversize_image() -> None:
    """An image that is too large is refused by its ack; the session lives."""
    async with Front(given.url) as front, Producer(front) as producer:
        client = producer.client
        await producer.generates()
        begin = time.monotonic()
        try:
            await client.set_image(b"\x89PNG\r\n\x1a\n" + bytes(10_000_000))
            raise AssertionError("the server took it")
        except DecartSDKError as error:
            assert "large" in str(error).lower() or "bytes" in str(error), f"the ack says: {error}"
            assert time.monotonic() - begin < 20, "the ack came too late"
        await client.set_prompt("invert")
        await producer.screen.sees("invert")
        equal("attempts", front.attempts(), 1)
        assert producer.events.states[-1] == "generating", f"states: {producer.events.states}"


async def viewer() -> None:
    """Who has the subscribe token sees what the producer is given, until the producer goes."""
    async with Front(given.url) as front, Front(given.url) as door:
        async with Producer(front) as producer:
            await producer.generates()
            await producer.client.set_prompt("invert")
            screen = Screen()
            watching = await RealtimeClient.subscribe(
                base_url=door.ws,
                api_key=given.key,
                options=SubscribeOptions(token=producer.client.subscribe_token, on_remote_stream=screen.show),
            )
            try:
                events = Events(watching)
                assert watching.is_connected()
                await screen.sees("invert")
                await producer.client.set_prompt("mirror")
                await screen.sees("mirror")
                await producer.screen.sees("mirror")
                equal("the viewer's errors", events.errors, [])
                await producer.client.disconnect()
                await events.until("disconnected", lambda: events.states[-1:] == ["disconnected"])
                await asyncio.sleep(4)
                assert door.attempts() <= 2, f"the viewer tried {door.attempts()} times"
                assert any("nvalid session" in error for error in events.errors), f"errors: {events.errors}"
                equal("the viewer's state", events.states[-1], "disconnected")
            finally:
                screen.close()
                await watching.disconnect()


async def comes_back(end) -> None:
    """After the server's or the network's fault, the SDK reconnects by itself and everything begins anew."""
    async with Front(given.url) as front, Producer(front) as producer:
        client, events = producer.client, producer.events
        await producer.generates()
        await events.until("two ticks", lambda: len(events.ticks) >= 2)
        before, ticks, states = client.session_id, len(events.ticks), len(events.states)
        await end(client, front)
        await events.until("reconnecting", lambda: "reconnecting" in events.states[states:])
        await events.until("generating again", lambda: events.states[-1] == "generating" and events.states[states:])
        await producer.screen.sees("none")
        # A tick that was under way may still have come before the end.
        await events.until("ticks that begin again", lambda: events.ticks[ticks:].count(1) and events.ticks[-1] >= 2)
        again = events.ticks[events.ticks.index(1, ticks) :]
        equal("ticks of the new session", again, list(range(1, len(again) + 1)))
        assert client.session_id != before, "the session id is still the old one"
        equal("attempts", front.attempts(), 2)


async def server_closes() -> None:
    """A session that is ended from outside."""

    async def end(client, _front) -> None:
        await operator_ends(client.session_id)

    await comes_back(end)


async def connection_lost() -> None:
    """A line that breaks without a word."""

    async def end(_client, front) -> None:
        front.cut()

    await comes_back(end)


async def wrong_key() -> None:
    """A wrong key is refused at once, once, in words that say so."""
    text = await refused(5, key="no-such-key")
    assert "401" in text, text


async def unknown_model() -> None:
    """So is a model that the server does not have."""
    text = await refused(5, model="no-such-model")
    assert "401" in text, text


async def credits() -> None:
    """When the credit is used up: the last tick, an error, the end, and no storm of attempts."""
    if not given.broke_key:
        raise Skip("it needs a --broke-key for this client")
    async with Front(given.url) as front, Producer(front, key=given.broke_key) as producer:
        events = producer.events
        await producer.generates()
        await events.until("the end", lambda: events.states[-1:] == ["disconnected"], seconds=60)
        # The SDK's own retries come after 1 and after 3 seconds.
        await asyncio.sleep(6)
        equal("ticks", events.ticks, list(range(1, (given.broke_seconds or len(events.ticks)) + 1)))
        assert events.ticks, "no tick came"
        assert "Insufficient credits" in events.errors[0], f"errors: {events.errors}"
        equal("states at the end", events.states[-2:], ["reconnecting", "disconnected"])
        equal("attempts", front.attempts(), 2)
    text = await refused(5, key=given.broke_key)
    assert "401" in text, text


async def tokens() -> None:
    """A client token connects; neither it nor a wrong key makes another."""
    async with Front(given.url) as front:
        async with DecartClient(api_key=given.key, base_url=front.http) as client:
            token = await client.tokens.create()
            assert token.api_key.startswith("ek_"), token.api_key[:3]
            left = datetime.fromisoformat(token.expires_at.replace("Z", "+00:00")) - datetime.now(timezone.utc)
            assert 0 < left.total_seconds() <= 3600, token.expires_at
            if not IS_OLD:
                narrow = await client.tokens.create(expires_in=120, metadata={"for": "a test"})
                assert narrow.api_key != token.api_key
        async with Producer(front, key=token.api_key) as producer:
            await producer.generates()
            await producer.screen.sees("none")
        for key, status in ((token.api_key, 403), ("no-such-key", 401)):
            async with DecartClient(api_key=key, base_url=front.http) as client:
                try:
                    await client.tokens.create()
                    raise AssertionError(f"a token was made where {status} is due")
                except DecartSDKError as error:
                    equal("status", (error.data or {}).get("status"), status)


CHECKS = {
    "generating": generating,
    "initial-prompt": initial_prompt,
    "initial-state": initial_state,
    "prompts": prompts,
    "images": images,
    "oversize-image": oversize_image,
    "viewer": viewer,
    "server-closes": server_closes,
    "connection-lost": connection_lost,
    "wrong-key": wrong_key,
    "unknown-model": unknown_model,
    "credits": credits,
    "tokens": tokens,
}

if __name__ == "__main__":
    sys.exit(asyncio.run(run(f"python {VERSION}", CHECKS, given)))
