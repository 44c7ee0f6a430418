"""A server, and the key to it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from . import _native
from ._conversations import Conversations
from ._http import Http, given
from ._realtime import Realtime

_DEFAULT = "http://127.0.0.1:24203"


@dataclass(frozen=True, kw_only=True)
class ClientToken:
    """A key that can be given away."""

    api_key: str = field(repr=False)
    """The token. It opens realtime sessions, reads their receipts, and nothing else."""
    expires_at: str
    """When it opens nothing any more: ISO 8601, in UTC. What is open by then goes on."""


class Tokens:
    """Keys that can be given away."""

    def __init__(self, http: Http) -> None:
        """@private"""
        self._http = http

    async def create(
        self,
        *,
        expires_in: int | None = None,
        allowed_models: Iterable[str] | None = None,
        allowed_origins: Iterable[str] | None = None,
        max_session_duration: int | None = None,
    ) -> ClientToken:
        """Makes a client token: for a page, good for a minute if nothing is said, and for realtime sessions only.

        `expires_in` and `max_session_duration` are in seconds; `allowed_origins` are those of pages.
        """
        limits = {"realtime": {"maxSessionDuration": max_session_duration}}
        body = given(
            expiresIn=expires_in,
            allowedModels=None if allowed_models is None else list(allowed_models),
            allowedOrigins=None if allowed_origins is None else list(allowed_origins),
            constraints=None if max_session_duration is None else limits,
        )
        made = await self._http.json("POST", "v1", "client", "tokens", body=body)
        return ClientToken(api_key=made["apiKey"], expires_at=made["expiresAt"])


class Client:
    """What a server can be asked for. Nothing of the key can be seen in it.

    ```python
    async with Client("http://127.0.0.1:24203") as client:
        print(await client.conversations.stream("say hello").text())
    ```

    Nothing is asked of the server yet when it is made. `async with` ends the sessions that it was used for.
    """

    conversations: Conversations
    """Conversations with agents."""
    realtime: Realtime
    """Realtime video sessions."""
    tokens: Tokens
    """Keys that can be given away."""

    def __init__(self, url: str = _DEFAULT, key: str | None = None) -> None:
        """`key` is a key of the server, or a client token. It is not needed where the server has no keys."""
        native = _native.Client(url, key)
        self._url = native.url
        self._http = Http(native)
        self.conversations = Conversations(self._http)
        self.realtime = Realtime(self._http)
        self.tokens = Tokens(self._http)

    async def models(self) -> tuple[str, ...]:
        """The models of conversations, by name."""
        return tuple((await self._http.json("GET", "models"))["models"])

    async def close(self) -> None:
        """Ends the sessions that it was used for."""
        await self.realtime.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Client({self._url!r})"
