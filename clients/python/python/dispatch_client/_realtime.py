"""Realtime sessions: live video to a server, changed by a model, and back."""

import asyncio
import json
import logging
import weakref
from collections.abc import AsyncIterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from . import _native
from ._http import Http
from ._session import ImageSource, Picture, Session, Viewer, image_file, telling

_log = logging.getLogger("dispatch_client")

_FPS = 30


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """When what is missing is given up. In seconds."""

    prompt: float = 15.0
    """The acknowledgement of a prompt."""
    image: float = 30.0
    """The acknowledgement of an image."""
    attempt: float = 30.0
    """Any progress of an attempt to connect."""
    interruption: float = 5.0
    """Media that were interrupted."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """When what has failed is tried again. In seconds."""

    delays: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 10.0)
    """How long to wait before each further attempt. When they are used up, it is given up."""
    stable: float = 10.0
    """A session that lasted as long as that begins them anew."""


@dataclass(frozen=True, kw_only=True)
class RealtimeModel:
    """What can be asked for."""

    name: str
    width: int
    height: int
    fps: int
    credits_per_second: Decimal


class Camera:
    """What a session sends: pictures in. Where encoding or the network is too slow, pictures are left out: the newest is
    what counts. Nothing here waits."""

    def __init__(self, fps: int = _FPS) -> None:
        """Of so many pictures a second at most."""
        self.native = _native.Camera(fps)
        """@private"""

    def show(self, picture: Picture, timestamp: float | None = None) -> None:
        """The next picture. `timestamp` says when it was taken, in seconds of any clock that does not go back; without it,
        it is now."""
        self.native.show(picture, timestamp)


class Realtime:
    """Realtime sessions: live video to a server, changed by a model, and back."""

    def __init__(self, http: Http) -> None:
        """@private"""
        self._http = http
        self._sessions: weakref.WeakSet[Viewer] = weakref.WeakSet()

    async def models(self) -> tuple[RealtimeModel, ...]:
        """What can be asked for, and what a second of it costs."""
        found = await self._http.json("GET", "v1", "realtime", "models")
        return tuple(
            RealtimeModel(
                name=it["name"],
                width=it["width"],
                height=it["height"],
                fps=it["fps"],
                credits_per_second=Decimal(it["creditsPerSecond"]),
            )
            for it in found["models"]
        )

    async def connect(
        self,
        camera: Camera | AsyncIterable[Picture],
        *,
        model: str | RealtimeModel,
        prompt: str | None = None,
        enhance: bool = True,
        image: ImageSource | None = None,
        session: str | None = None,
        reconnect: bool = True,
        timeouts: Timeouts | None = None,
        retry: Retry | None = None,
    ) -> Session:
        """Sends pictures to a model. Returns when media flow; fails when that cannot be.

        `camera` is a `Camera`, or an async iterable of pictures, which is read while the session lasts. `prompt`, `enhance`
        and `image` are what the session begins with; without them, pictures come back as they are. `session` is an earlier
        session to go on with: its prompt and image are restored by the server, and the receipt adds up. With `reconnect` a
        session that is lost is set up again.
        """
        begins = None if prompt is None and image is None else (prompt, enhance, await image_file(image))
        shown = camera if isinstance(camera, Camera) else Camera()
        emitter, ended, tell = telling()
        options = _options(reconnect, timeouts, retry)
        if session is not None:
            options["session"] = session
        name = model if isinstance(model, str) else model.name
        native = await self._http.native.connect(tell, shown.native, name, json.dumps(options), begins)
        filming = None if isinstance(camera, Camera) else asyncio.create_task(_film(camera, shown, ended))
        made = Session(native, emitter, ended, self._http, filming)
        self._sessions.add(made)
        return made

    async def subscribe(
        self,
        token: str,
        *,
        reconnect: bool = True,
        timeouts: Timeouts | None = None,
        retry: Retry | None = None,
    ) -> Viewer:
        """Watches a session of somebody else, by its `subscribe_token`. Returns when media flow; fails when that cannot
        be."""
        emitter, ended, tell = telling()
        options = json.dumps(_options(reconnect, timeouts, retry))
        made = Viewer(await self._http.native.subscribe(tell, token, options), emitter, ended)
        self._sessions.add(made)
        return made

    async def close(self) -> None:
        """Ends all sessions of this client, and lets go of those of others."""
        await asyncio.gather(*(session.disconnect() for session in list(self._sessions)))


def _options(reconnect: bool, timeouts: Timeouts | None, retry: Retry | None) -> dict[str, Any]:
    timeouts, retry = timeouts or Timeouts(), retry or Retry()
    return {
        "reconnects": reconnect,
        "timeouts": {
            "prompt": _millis(timeouts.prompt),
            "image": _millis(timeouts.image),
            "attempt": _millis(timeouts.attempt),
            "interruption": _millis(timeouts.interruption),
        },
        "retry": {"delays": [_millis(delay) for delay in retry.delays], "stable": _millis(retry.stable)},
    }


def _millis(seconds: float) -> int:
    return round(seconds * 1000)


async def _film(pictures: AsyncIterable[Picture], camera: Camera, ended: asyncio.Event) -> None:
    """Shows pictures while the session lasts."""

    async def show() -> None:
        async for picture in pictures:
            camera.show(picture)

    showing = asyncio.ensure_future(show())
    over = asyncio.ensure_future(ended.wait())
    try:
        await asyncio.wait([showing, over], return_when=asyncio.FIRST_COMPLETED)
        if showing.done() and (error := showing.exception()) is not None:
            _log.error("the source of pictures failed", exc_info=error)
    finally:
        showing.cancel()
        over.cancel()
