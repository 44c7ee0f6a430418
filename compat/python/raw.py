"""The protocol frame by frame, by a client that is no SDK.

It sends what JavaScript SDKs from 0.0.47 to 0.0.68 send and checks what is exact on the wire: the order of frames,
their fields and their types. It names itself as such an SDK unless a check says otherwise.
"""

import asyncio
import base64
import json
import sys
import urllib.parse
from decimal import Decimal
from itertools import pairwise

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from pattern import Camera, Screen, reference_image
from report import Skip, options, run

JAVASCRIPT = "decart-js-sdk/0.0.68 lang/js runtime/browser"
PYTHON = "decart-python-sdk/0.0.40 lang/py"
PASSTHROUGH = {"type": "set_image", "image_data": None, "prompt": None}
PERMANENT = ("permission denied", "not allowed", "invalid session", "401", "invalid api key", "unauthorized")
IMAGE_ACK = {"type": "set_image_ack", "success": True, "error": None}
STARTED = {"type": "generation_started"}
given = options(__doc__)


def equal(what: str, is_so, should_be) -> None:
    assert is_so == should_be, f"{what}: {is_so!r} instead of {should_be!r}"


def prompt(text: str) -> dict:
    return {"type": "prompt", "prompt": text, "enhance_prompt": True}


def prompt_ack(text: str) -> dict:
    return {"type": "prompt_ack", "prompt": text, "success": True, "error": None}


def tick(seconds: int) -> dict:
    return {"type": "generation_tick", "seconds": seconds}


def without(field: str, frames: list[dict]) -> list[dict]:
    return [{key: value for key, value in frame.items() if key != field} for frame in frames]


def check_ticks(ticks: list[dict]) -> None:
    """1, 2, 3 …, and what is left, where the server says so, falls with each."""
    equal("the ticks", without("credits", ticks), [tick(second + 1) for second in range(len(ticks))])
    left = [Decimal(one["credits"]) for one in ticks if "credits" in one]
    assert len(left) in (0, len(ticks)), ticks
    assert all(before > after for before, after in pairwise(left)), ticks


class Line:
    """A signaling WebSocket, its peer connection, and every frame that came."""

    def __init__(self, path: str = "/v1/stream", agent: str = JAVASCRIPT, key: str | None = None, **query):
        if path == "/v1/stream":
            query = {"model": given.model, **query}
        query = {"api_key": given.key if key is None else key, **query, "user_agent": agent}
        self.url = f"{given.url}{path}?{urllib.parse.urlencode(query, quote_via=urllib.parse.quote)}"
        self.frames: list[dict] = []
        self.news = asyncio.Event()
        self.closed: int | None = None
        self.pc: RTCPeerConnection | None = None
        self.screen = Screen()
        self.reader: asyncio.Task | None = None

    async def __aenter__(self) -> "Line":
        self.http = aiohttp.ClientSession()
        try:
            self.socket = await self.http.ws_connect(self.url, max_msg_size=4 << 20)
        except BaseException:
            await self.http.close()
            raise
        self.reader = asyncio.create_task(self.read())
        return self

    async def __aexit__(self, *_) -> None:
        self.screen.close()
        if self.pc is not None:
            await self.pc.close()
        await self.socket.close()
        self.reader.cancel()
        await self.http.close()

    async def read(self) -> None:
        async for frame in self.socket:
            assert frame.type == aiohttp.WSMsgType.TEXT, f"a frame of type {frame.type}"
            self.frames.append(json.loads(frame.data))
            self.news.set()
        self.closed = self.socket.close_code
        self.news.set()

    async def say(self, *messages: dict) -> None:
        for message in messages:
            await self.socket.send_str(json.dumps(message))

    async def until(self, what: str, condition, seconds: float = 20) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            came = without("sdp", self.frames)
            raise AssertionError(f"waited {seconds} s for {what}: {came}, close {self.closed}") from None

    async def until_frames(self, count: int) -> None:
        await self.until(f"{count} frames", lambda: len(self.frames) >= count)

    async def until_kind(self, kind: str, count: int = 1, seconds: float = 20) -> None:
        await self.until(kind, lambda: len(self.of(kind)) >= count, seconds)

    async def until_closed(self, seconds: float = 20) -> None:
        await self.until("the close", lambda: self.closed is not None, seconds)

    def of(self, kind: str) -> list[dict]:
        return [frame for frame in self.frames if frame["type"] == kind]

    async def offer(self, lines=(("video", "sendrecv"),)) -> str:
        """Makes a new peer connection and offers it. Answers with the offer's SDP."""
        if self.pc is not None:
            await self.pc.close()
        pc = self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        pc.on("track", self.screen.show)
        for kind, direction in lines:
            source = Camera() if kind == "video" and direction == "sendrecv" else kind
            pc.addTransceiver(source, direction=direction)
        await pc.setLocalDescription(await pc.createOffer())
        await self.say({"type": "offer", "sdp": pc.localDescription.sdp})
        return pc.localDescription.sdp

    async def accept(self, count: int = 1) -> str:
        """Waits for the answer, applies it, and answers with its SDP."""
        await self.until_kind("answer", count)
        answer = self.of("answer")[-1]
        equal("the fields of `answer`", sorted(answer), ["sdp", "type"])
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=answer["sdp"], type="answer"))
        return answer["sdp"]

    async def generate(self) -> None:
        await self.offer()
        await self.accept()
        await self.until_kind("generation_started")


def media_lines(sdp: str) -> list[tuple[str, str]]:
    """The kind and the mid of each media line."""
    found = []
    for part in sdp.replace("\r", "").split("\nm=")[1:]:
        mid = next(line[6:] for line in part.split("\n") if line.startswith("a=mid:"))
        found.append((part.split(" ")[0], mid))
    return found


def check_greeting(frame: dict) -> None:
    equal("the fields of `session_id`", sorted(frame), ["server_ip", "server_port", "session_id", "type"])
    equal("the first frame", frame["type"], "session_id")
    session, address, port = frame["session_id"], frame["server_ip"], frame["server_port"]
    assert isinstance(session, str) and session, frame
    assert session.replace("-", "").isalnum() and session.isascii(), frame
    assert isinstance(address, str) and address, frame
    assert type(port) is int and 0 < port < 65536, frame


def check_whole(line: Line) -> None:
    """Python's SDK loses a tick that is not an integer, and to Python 1.0 equals 1."""
    for frame in line.frames:
        assert type(frame.get("seconds", 0)) is int, frame


def check_answer(offer: str, answer: str) -> None:
    equal("the media lines", media_lines(answer), media_lines(offer))
    for part in answer.replace("\r", "").split("\nm=")[1:]:
        if part.split(" ")[1] == "0":
            continue
        for attribute in ("ice-ufrag", "ice-pwd", "fingerprint", "setup", "rtcp-mux"):
            assert f"\na={attribute}" in part, f"a media line has no {attribute}"
    assert "\na=candidate:" in answer, "there are no candidates in the answer"
    assert "a=setup:actpass" not in answer, "an answer chooses who sets up DTLS"
    wanted = next(line for line in offer.splitlines() if line.startswith("a=rtpmap:") and "VP8/" in line)
    assert wanted in answer, f"the answer has no {wanted}"


async def frames_in_order() -> None:
    """Everything that a session says from its beginning to its end, whole."""
    words = 'a "café" at night, 日本語 🎨\\n'
    async with Line() as line:
        await line.until_frames(1)
        check_greeting(line.frames[0])
        await line.say(PASSTHROUGH)
        await line.until_frames(2)
        await line.say(prompt(words))
        await line.until_frames(3)
        offer = await line.offer()
        check_answer(offer, await line.accept())
        await line.until_kind("generation_tick", 3)
        came = without("credits", without("sdp", line.frames[1:7]))
        answered = {"type": "answer"}
        expected = [IMAGE_ACK, prompt_ack(words), answered, STARTED, tick(1), tick(2)]
        equal("the frames", came, expected)
        check_whole(line)
        await line.socket.close()
        equal("the code that the close is echoed with", line.socket.close_code, 1000)


async def trickled_candidates() -> None:
    """Every kind of candidate that browsers send, before and after the answer, is borne."""
    said = [
        "candidate:1 1 udp 2122260223 127.0.0.1 50000 typ host generation 0 ufrag abcd network-id 1",
        "candidate:2 1 udp 2122260223 4f7d9a3c-0000-4000-8000-1234567890ab.local 50001 typ host generation 0",
        "candidate:3 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active generation 0",
        "candidate:4 1 udp 2122262783 ::1 50002 typ host generation 0",
        "",
    ]
    messages = [
        {
            "type": "ice-candidate",
            "candidate": {
                "candidate": text,
                "sdpMid": "0",
                "sdpMLineIndex": 0,
                "usernameFragment": "abcd",
            },
        }
        for text in said
    ]
    messages.append({"type": "ice-candidate", "candidate": None})
    async with Line() as line:
        await line.until_frames(1)
        await line.offer()
        await line.say(*messages)
        await line.accept()
        await line.say(*messages)
        await line.until_kind("generation_tick")
        expected = ["session_id", "answer", "generation_started", "generation_tick"]
        equal("the kinds of frames", [frame["type"] for frame in line.frames[:4]], expected)


async def acks_in_order() -> None:
    """One ack for each request, in the order of the requests, however fast they come."""
    image = base64.b64encode(reference_image()).decode()
    async with Line() as line:
        await line.until_frames(1)
        for generates in (False, True):
            if generates:
                await line.generate()
            await line.say(
                prompt("invert"),
                {"type": "set_image", "image_data": image, "prompt": "mirror", "enhance_prompt": False},
                prompt("invert"),
                {"type": "set_image"},
                prompt("grey"),
                {"type": "set_image", "image_data": None},
            )
            await line.until_kind("set_image_ack", 6 if generates else 3)
            await asyncio.sleep(0.3)
            acks = [frame for frame in line.frames if frame["type"].endswith("_ack")]
            expected = [
                prompt_ack("invert"), IMAGE_ACK, prompt_ack("invert"), IMAGE_ACK, prompt_ack("grey"), IMAGE_ACK,
            ]  # fmt: skip
            equal("the acks", acks, expected * (2 if generates else 1))
        await line.screen.sees("grey")


async def refused_updates() -> None:
    """What cannot be taken is refused by an ack that says why, and nothing changes."""
    async with Line() as line:
        await line.until_frames(1)
        await line.generate()
        await line.say(prompt("invert"))
        await line.screen.sees("invert")
        # Three kinds of wrong: too large, no base64, no image.
        await line.say(
            {"type": "set_image", "image_data": base64.b64encode(bytes(10_000_001)).decode(), "prompt": "grey"},
            {"type": "set_image", "image_data": "!!!", "prompt": "grey"},
            {"type": "set_image", "image_data": base64.b64encode(b"no image").decode(), "prompt": "grey"},
        )
        await line.until_kind("set_image_ack", 3)
        for ack in line.of("set_image_ack"):
            equal("the fields of the ack", sorted(ack), ["error", "success", "type"])
            assert ack["success"] is False and isinstance(ack["error"], str) and ack["error"], ack
        await line.screen.sees("invert", tinted=False)
        assert line.closed is None


async def unknown_things() -> None:
    """Unknown parameters, fields and types of messages are passed over."""
    async with Line(resolution="720p", ice_transport_policy="all", from_the_future="yes") as line:
        await line.until_frames(1)
        await line.say({"type": "from_the_future", "field": [1]}, {**prompt("invert"), "extra": {"a": 1}})
        await line.until_frames(2)
        equal("the frames", line.frames[1:], [prompt_ack("invert")])


async def audio_lines() -> None:
    """Audio beside video, first or second, is answered line by line and does not disturb."""
    for lines in (
        (("audio", "recvonly"), ("video", "sendrecv")),
        (("video", "sendrecv"), ("audio", "recvonly")),
    ):
        async with Line() as line:
            await line.until_frames(1)
            offer = await line.offer(lines)
            check_answer(offer, await line.accept())
            await line.until_kind("generation_tick")
            await line.screen.sees("none")


async def second_offer() -> None:
    """Another offer on the same socket replaces the connection; the seconds go on."""
    async with Line() as line:
        await line.until_frames(1)
        await line.generate()
        await line.until_kind("generation_tick")
        await line.say(prompt("invert"))
        await line.offer()
        await line.accept(2)
        begin = line.screen.frames
        await line.screen.sees("invert")
        assert line.screen.frames > begin
        await line.until_kind("generation_tick", 3)
        ticks = line.of("generation_tick")
        check_ticks(ticks)


async def viewer_gets_no_ticks() -> None:
    """A viewer sees the video and hears nothing of seconds, and is told when the producer goes."""
    async with Line() as line:
        await line.until_frames(1)
        await line.say(prompt("invert"))
        await line.generate()
        path = f"/subscribe/{line.frames[0]['session_id']}"
        query = {"IP": line.frames[0]["server_ip"], "port": line.frames[0]["server_port"]}
        async with Line(path, **query) as viewer:
            offer = await viewer.offer((("video", "recvonly"), ("audio", "recvonly")))
            answer = await viewer.accept()
            check_answer(offer, answer)
            streams = {part.split(" ")[0] for part in answer.split("a=msid:")[1:]}
            assert len(streams) <= 1, f"several streams: {streams}"
            await viewer.screen.sees("invert")
            await line.until_kind("generation_tick", 3)
            kinds = {frame["type"] for frame in viewer.frames}
            assert kinds <= {"session_id", "answer", "generation_started"}, kinds
            await line.socket.close()
            await viewer.until_closed()
            last = viewer.frames[-1]
            assert last["type"] == "error" and "invalid session" in last["error"].lower(), last
        await refused_in_band(path, "invalid session", **query)


async def refused_in_band(path: str, words: str, **settings) -> None:
    """Accepted, an error that stops the SDKs, closed, nothing else."""
    async with Line(path, **settings) as line:
        await line.until_closed(5)
        equal("the kinds of frames", [frame["type"] for frame in line.frames], ["error"])
        text = line.frames[0]["error"].lower()
        assert words in text, text
        assert any(part in text for part in PERMANENT), f"SDKs would try again after: {text}"
        equal("the close code", line.closed, 1008)


async def refusals_of_browsers() -> None:
    """A browser is told in the socket, in words that stop it."""
    await refused_in_band("/v1/stream", "invalid api key", key="no-such-key")
    await refused_in_band("/v1/stream", "invalid api key", key="")
    await refused_in_band("/v1/stream", "model", model="no-such-model")
    await refused_in_band("/subscribe/no-such-session", "invalid session", IP="127.0.0.1", port=1)
    await refused_in_band("/subscribe/no-such-session", "invalid api key", key="no-such-key", IP="127.0.0.1", port=1)


async def refusals_of_python() -> None:
    """Python is told by the status."""
    for path, settings in (
        ("/v1/stream", {"key": "no-such-key"}),
        ("/v1/stream", {"key": ""}),
        ("/v1/stream", {"model": "no-such-model"}),
        ("/subscribe/no-such-session", {"IP": "127.0.0.1", "port": 1}),
    ):
        try:
            async with Line(path, agent=PYTHON, **settings):
                raise AssertionError(f"{path} was accepted with {settings}")
        except aiohttp.WSServerHandshakeError as refusal:
            equal(f"the status of {path} with {settings}", refusal.status, 401)


async def other_transport() -> None:
    """A client of the next generation learns that its transport is not spoken here."""
    async with Line() as line:
        await line.until_frames(1)
        await line.say({"type": "livekit_join"})
        await line.until_closed(5)
        errors = line.of("error")
        assert len(errors) == 1 and "not allowed" in errors[0]["error"], line.frames
        equal("the close code", line.closed, 1008)


async def receipt() -> None:
    """When a client has left, the receipt says how many seconds there were, and they are those of the ticks."""
    async with Line() as line:
        await line.until_frames(1)
        await line.generate()
        await line.until_kind("generation_tick", 2)
        session = line.frames[0]["session_id"]
        await line.socket.close()
        last = line.of("generation_tick")[-1]["seconds"]
    headers = {"X-API-KEY": given.key, "Authorization": f"Bearer {given.key}"}
    async with aiohttp.ClientSession() as http:
        for _ in range(50):
            async with http.get(f"{given.url}/v1/sessions/{session}", headers=headers) as answer:
                equal("the status of the receipt", answer.status, 200)
                said = await answer.json()
            if said["settled"]:
                break
            await asyncio.sleep(0.2)
    assert said["settled"] is True, said
    equal("the seconds", said["seconds"], last)
    equal("the reason", said["reason"], "disconnect")


async def credits() -> None:
    """The end of the credit: the last tick, the sum, the reason, the close, and nothing after it."""
    if not given.broke_key:
        raise Skip("it needs a --broke-key for this client")
    async with Line(key=given.broke_key) as line:
        await line.until_frames(1)
        await line.generate()
        await line.until_closed(60)
        ticks = line.of("generation_tick")
        seconds = given.broke_seconds or len(ticks)
        assert seconds, "no tick came"
        equal("the number of ticks", len(ticks), seconds)
        check_ticks(ticks)
        ended, error = line.frames[-2:]
        expected = {"type": "generation_ended", "seconds": seconds, "reason": "insufficient_credits"}
        equal("the frame before the last", ended, expected)
        equal("the last frame", (error["type"], error["error"]), ("error", "Insufficient credits"))
        check_whole(line)
        assert line.closed in (1000, 1008, 1011, 1013), line.closed
    await refused_in_band("/v1/stream", "insufficient credits", key=given.broke_key)


CHECKS = {
    "frames-in-order": frames_in_order,
    "trickled-candidates": trickled_candidates,
    "acks-in-order": acks_in_order,
    "refused-updates": refused_updates,
    "unknown-things": unknown_things,
    "audio-lines": audio_lines,
    "second-offer": second_offer,
    "viewer-gets-no-ticks": viewer_gets_no_ticks,
    "refusals-of-browsers": refusals_of_browsers,
    "refusals-of-python": refusals_of_python,
    "other-transport": other_transport,
    "receipt": receipt,
    "credits": credits,
}

if __name__ == "__main__":
    sys.exit(asyncio.run(run("raw", CHECKS, given)))
