"""A realtime server on aiohttp and aiortc that speaks Dispatch's protocol.

It is what Dispatch is measured beside, and what the compatibility checks can be tried on. It does what a client needs
to see: session ids, acks, answers with all candidates, one tick for each second, credits, viewers, client tokens and
receipts. It keeps nothing, and does not try to be safe.

    python server.py --port 8090 --key good --key broke=3

serves with a key that never runs out and one with three seconds of credit. The first line of its output says where.
"""

import argparse
import asyncio
import base64
import binascii
import datetime
import json
import secrets
import time
import uuid

import av
from aiohttp import WSCloseCode, WSMsgType, web
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs import vpx
from aiortc.contrib.media import MediaRelay
from aiortc.sdp import candidate_from_sdp

from effects import Look, chroma_of, draw

MODELS = {
    "large", "small",
    "mirage", "mirage_v2", "lucy_v2v_720p_rt", "lucy_2_rt", "live_avatar", "avatar-live",
    "lucy-2.1", "lucy-2.1-vton", "lucy-vton-2", "lucy-vton-3", "lucy-restyle-2",
    "lucy-latest", "lucy-vton-latest", "lucy-restyle-latest", "lucy-vton", "lucy-2.1-vton-2",
}  # fmt: skip
IMAGE_LIMIT = 10_000_000
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "content-type, x-api-key",
}


class Transformed(MediaStreamTrack):
    """A client's video with the effect of its session's prompt."""

    kind = "video"

    def __init__(self, source: MediaStreamTrack, session: "Session"):
        super().__init__()
        self.source = source
        self.session = session

    async def recv(self) -> av.VideoFrame:
        frame = draw(await self.source.recv(), self.session.look)
        self.session.frames += 1
        self.session.first_frame.set()
        return frame


class Session:
    """A producer's connection."""

    def __init__(self, house: "House", socket: web.WebSocketResponse, key: str):
        self.id = str(uuid.uuid4())
        self.house = house
        self.socket = socket
        self.key = key
        self.look = Look()
        self.pc: RTCPeerConnection | None = None
        self.video: Transformed | None = None
        self.relay = MediaRelay()
        self.frames = 0
        self.seconds = 0
        self.reason: str | None = None
        self.connected = asyncio.Event()
        self.first_frame = asyncio.Event()
        self.has_video = asyncio.Event()
        self.clock: asyncio.Task | None = None

    async def send(self, **message) -> None:
        if not self.socket.closed:
            await self.socket.send_str(json.dumps(message))

    async def on_offer(self, sdp: str) -> None:
        if self.pc is not None:
            await self.pc.close()
        self.connected.clear()
        self.first_frame.clear()
        pc = self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))

        @pc.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            if track.kind == "video":
                self.video = Transformed(track, self)
                pc.addTrack(self.relay.subscribe(self.video))
                self.has_video.set()

        @pc.on("connectionstatechange")
        async def on_state() -> None:
            if pc is not self.pc:
                return
            if pc.connectionState == "connected":
                self.connected.set()
            elif pc.connectionState == "failed":
                await self.end("disconnect", None, WSCloseCode.OK)

        await pc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        await self.send(type="answer", sdp=pc.localDescription.sdp)
        if self.clock is not None:
            self.clock.cancel()
        self.clock = asyncio.create_task(self.count())

    async def count(self) -> None:
        """Pays for a second, lets it pass, says it."""
        await self.connected.wait()
        await self.first_frame.wait()
        await self.send(type="generation_started")
        end = time.monotonic()
        while self.house.pay(self.key):
            frames = self.frames
            end += 1
            await asyncio.sleep(end - time.monotonic())
            while self.frames == frames:
                await asyncio.sleep(0.1)
                end = time.monotonic()
            self.seconds += 1
            await self.send(type="generation_tick", seconds=self.seconds)
        await self.end("insufficient_credits", "Insufficient credits", WSCloseCode.POLICY_VIOLATION)

    async def on_prompt(self, message: dict) -> None:
        prompt = message.get("prompt")
        taken = isinstance(prompt, str) and prompt.strip() != ""
        if taken:
            self.look.prompt = prompt
        await self.send(type="prompt_ack", prompt=prompt, success=taken, error=None if taken else "The prompt is empty")

    async def on_image(self, message: dict) -> None:
        error = None
        image = None
        try:
            if message.get("image_data") is not None:
                file = base64.b64decode(message["image_data"], validate=True)
                if len(file) > IMAGE_LIMIT:
                    raise ValueError("Image too large")
                image = chroma_of(file)
        except binascii.Error:
            error = "The image is not base64"
        except ValueError as problem:
            error = str(problem)
        if error is None:
            self.look.image = image
            if "prompt" in message:
                self.look.prompt = message["prompt"]
        await self.send(type="set_image_ack", success=error is None, error=error)

    async def end(self, reason: str, error: str | None, code: int) -> None:
        if self.reason is not None:
            return
        self.reason = reason
        await self.send(type="generation_ended", seconds=self.seconds, reason=reason)
        if error is not None:
            await self.send(type="error", error=error)
        # Not awaited: this may run in the clock, which leaving cancels.
        self.house.later(self.socket.close(code=code, message=reason.encode()))

    async def leave(self) -> None:
        self.reason = self.reason or "disconnect"
        if self.clock is not None:
            self.clock.cancel()
        if self.pc is not None:
            await self.pc.close()
        # Receipts are kept, but nothing that is large.
        self.pc = self.video = self.relay = None


class House:
    """All that the server knows."""

    def __init__(self, accounts: dict[str, float]):
        # Seconds that are left, by key.
        self.accounts = accounts
        # When it expires and who pays, by client token.
        self.tokens: dict[str, tuple[float, str]] = {}
        self.sessions: dict[str, Session] = {}
        self.viewers: dict[str, set[web.WebSocketResponse]] = {}
        self.tasks: set[asyncio.Task] = set()

    def later(self, work) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def owner(self, key: str) -> str | None:
        if key in self.accounts:
            return key
        expires, owner = self.tokens.get(key, (0.0, None))
        return owner if time.time() < expires else None

    def pay(self, key: str) -> bool:
        if self.accounts[key] < 1:
            return False
        self.accounts[key] -= 1
        return True

    async def stream(self, request: web.Request) -> web.StreamResponse:
        owner = self.owner(request.query.get("api_key", ""))
        if owner is None:
            return await refuse(request, "Invalid API key")
        if request.query.get("model", "") not in MODELS:
            return await refuse(request, "Model not allowed: this server has no realtime model of that name")
        if self.accounts[owner] < 1:
            return await refuse(request, "Insufficient credits: session not allowed")
        socket = web.WebSocketResponse(max_msg_size=32 << 20, heartbeat=20)
        await socket.prepare(request)
        session = Session(self, socket, owner)
        self.sessions[session.id] = session
        address, port = request.transport.get_extra_info("sockname")[:2]
        await session.send(type="session_id", session_id=session.id, server_ip=address, server_port=port)
        print(f"session {session.id} of {request.query.get('user_agent', '')}", flush=True)
        try:
            async for frame in socket:
                if frame.type == WSMsgType.TEXT:
                    await self.heed(session, json.loads(frame.data))
        finally:
            await session.leave()
            for viewer in self.viewers.pop(session.id, ()):
                self.later(dismiss(viewer, "invalid session: producer ended"))
            print(f"session {session.id} ended: {session.reason}, {session.seconds} s", flush=True)
        return socket

    async def heed(self, session: Session, message: dict) -> None:
        match message.get("type"):
            case "offer":
                await session.on_offer(message["sdp"])
            case "prompt":
                await session.on_prompt(message)
            case "set_image":
                await session.on_image(message)
            case "ice-candidate":
                await add_candidate(session.pc, message.get("candidate"))
            case "livekit_join":
                await session.end(
                    "error", "LiveKit transport is not allowed on this server", WSCloseCode.POLICY_VIOLATION
                )

    async def subscribe(self, request: web.Request) -> web.StreamResponse:
        if self.owner(request.query.get("api_key", "")) is None:
            return await refuse(request, "Invalid API key")
        session = self.sessions.get(request.match_info["sid"])
        if session is None:
            return await refuse(request, "Invalid session")
        if session.reason is not None:
            return await refuse(request, "invalid session: producer ended")
        socket = web.WebSocketResponse(heartbeat=20)
        await socket.prepare(request)
        self.viewers.setdefault(session.id, set()).add(socket)
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        try:
            async for frame in socket:
                if frame.type != WSMsgType.TEXT:
                    continue
                message = json.loads(frame.data)
                if message.get("type") == "offer":
                    await session.has_video.wait()
                    pc.addTrack(session.relay.subscribe(session.video))
                    await pc.setRemoteDescription(RTCSessionDescription(sdp=message["sdp"], type="offer"))
                    await pc.setLocalDescription(await pc.createAnswer())
                    await socket.send_str(json.dumps({"type": "answer", "sdp": pc.localDescription.sdp}))
                elif message.get("type") == "ice-candidate":
                    await add_candidate(pc, message.get("candidate"))
        finally:
            self.viewers.get(session.id, set()).discard(socket)
            await pc.close()
        return socket

    async def token(self, request: web.Request) -> web.Response:
        key = request.headers.get("x-api-key", "")
        if key not in self.accounts:
            status = 403 if key in self.tokens else 401
            return web.json_response({"detail": "Invalid API key"}, status=status, headers=CORS)
        wishes = await request.json() if "json" in request.content_type and request.can_read_body else {}
        expires = time.time() + wishes.get("expiresIn", 60)
        token = "ek_" + secrets.token_urlsafe(24)
        self.tokens[token] = (expires, key)
        at = datetime.datetime.fromtimestamp(expires, datetime.timezone.utc)
        body = {"apiKey": token, "expiresAt": at.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        return web.json_response(body, headers=CORS)

    async def delete(self, request: web.Request) -> web.Response:
        session = self.sessions.get(request.match_info["sid"])
        if session is None or session.key != request.headers.get("x-api-key"):
            return web.json_response({"detail": "no such session"}, status=404, headers=CORS)
        await session.end("deleted_by_operator", "This session was ended", WSCloseCode.INTERNAL_ERROR)
        return web.Response(status=204, headers=CORS)

    async def receipt(self, request: web.Request) -> web.Response:
        session = self.sessions.get(request.match_info["sid"])
        if session is None or session.key != request.headers.get("x-api-key"):
            return web.json_response({"detail": "no such session"}, status=404, headers=CORS)
        body = {"session": session.id, "seconds": session.seconds, "settled": session.reason is not None}
        if session.reason is not None:
            body["reason"] = session.reason
        return web.json_response(body, headers=CORS)


async def refuse(request: web.Request, text: str) -> web.StreamResponse:
    """Python clients read the status; browsers can only read what comes over the socket."""
    print(f"refused: {text}", flush=True)
    if request.query.get("user_agent", "").startswith("decart-python-sdk/"):
        return web.Response(status=401, text=text)
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await dismiss(socket, text)
    return socket


async def dismiss(socket: web.WebSocketResponse, text: str) -> None:
    if not socket.closed:
        await socket.send_str(json.dumps({"type": "error", "error": text}))
        await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=text.encode()[:120])


async def add_candidate(pc: RTCPeerConnection | None, said: dict | None) -> None:
    text = (said or {}).get("candidate") or ""
    # Names of mDNS are not resolved: the connection comes up by the checks of the client.
    if pc is None or ":" not in text or ".local " in text or " udp " not in text.lower():
        return
    candidate = candidate_from_sdp(text.split(":", 1)[1])
    candidate.sdpMid = said.get("sdpMid")
    candidate.sdpMLineIndex = said.get("sdpMLineIndex")
    await pc.addIceCandidate(candidate)


async def serve(options: argparse.Namespace) -> None:
    accounts = {}
    for given in options.key or ["good"]:
        name, _, seconds = given.partition("=")
        accounts[name] = float(seconds or "inf")
    house = House(accounts)
    app = web.Application()

    async def preflight(_: web.Request) -> web.Response:
        return web.Response(status=204, headers=CORS)

    app.router.add_get("/v1/stream", house.stream)
    app.router.add_get("/v1/avatar-live/stream", house.stream)
    app.router.add_get("/subscribe/{sid}", house.subscribe)
    app.router.add_post("/v1/client/tokens", house.token)
    app.router.add_route("OPTIONS", "/v1/client/tokens", preflight)
    app.router.add_delete("/v1/sessions/{sid}", house.delete)
    app.router.add_get("/v1/sessions/{sid}", house.receipt)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, options.host, options.port)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"listening on http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
    parser.add_argument(
        "--key", action="append", metavar="NAME[=SECONDS]", help="a key and its seconds of credit; can be repeated"
    )
    parser.add_argument("--bitrate", type=int, help="bits per second of VP8; without it, what aiortc chooses")
    options = parser.parse_args()
    if options.bitrate is not None:
        vpx.MIN_BITRATE = vpx.DEFAULT_BITRATE = vpx.MAX_BITRATE = options.bitrate
    try:
        asyncio.run(serve(options))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
