"""Requests to a server."""

import json
from collections.abc import Mapping
from typing import Any

from . import _native
from ._wait import repeated

Json = Any

_ANSWER = 60.0
"""How long an answer may take that waits for nothing, in seconds."""


class Http:
    """JSON in and out, over the extension."""

    def __init__(self, native: _native.Client) -> None:
        self.native = native

    async def json(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str | int | bool | None] | None = None,
        body: object = None,
        is_repeatable: bool = False,
        timeout: float = _ANSWER,
    ) -> Json:
        """The JSON of an answer. What may be done twice, as GET and PUT, is done again while the server does not answer."""
        text = None if body is None else json.dumps(body)
        pairs = [(name, _text(value)) for name, value in (query or {}).items() if value is not None]

        async def attempt() -> Json:
            return json.loads(await self.native.request(method, list(path), pairs, text, timeout))

        if is_repeatable or method in ("GET", "PUT"):
            return await repeated(attempt)
        return await attempt()


def given(**fields: object) -> dict[str, object]:
    """Those that are not `None`."""
    return {name: value for name, value in fields.items() if value is not None}


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
