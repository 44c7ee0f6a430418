"""A client of Dispatch servers: conversations with agents, and realtime video sessions.

Everything begins with a `Client`:

```python
import asyncio
from dispatch_client import Client

async def main():
    async with Client("http://127.0.0.1:24203") as client:
        async for event in client.conversations.stream("say hello"):
            if event.type == "text-delta":
                print(event.delta, end="")

        session = await client.realtime.connect(pictures(), model="mirage", prompt="invert")
        session.on("generation_tick", lambda tick: print(tick.seconds))
        async for frame in session.frames():
            print(frame.image.shape)

asyncio.run(main())
```

- `Client.conversations`: `Conversations`, whose events are in `dispatch_client.events`;
- `Client.realtime`: `Realtime`, which makes `Session`s and `Viewer`s;
- `Client.tokens`: `Tokens`, keys that can be given away.

Whatever fails, fails with a `DispatchError`.
"""

from . import events
from ._client import Client, ClientToken, Tokens
from ._conversations import (
    Conversation,
    Conversations,
    History,
    HistoryChunk,
    Queued,
    QueuedMessage,
    ReasoningEffort,
    Sent,
    StepMetrics,
    Turn,
    TurnMetrics,
    WhenActive,
)
from ._emitter import Stream
from ._error import DispatchError
from ._feed import Feed
from ._realtime import Camera, Realtime, RealtimeModel, Retry, Timeouts
from ._session import (
    ConnectionChange,
    ConnectionReceipt,
    ConnectionState,
    Frame,
    Frames,
    GenerationTick,
    ImageSource,
    Picture,
    Session,
    SessionError,
    SessionEvent,
    SessionReceipt,
    Viewer,
)

__all__ = [
    "Camera",
    "Client",
    "ClientToken",
    "ConnectionChange",
    "ConnectionReceipt",
    "ConnectionState",
    "Conversation",
    "Conversations",
    "DispatchError",
    "Feed",
    "Frame",
    "Frames",
    "GenerationTick",
    "History",
    "HistoryChunk",
    "ImageSource",
    "Picture",
    "Queued",
    "QueuedMessage",
    "Realtime",
    "RealtimeModel",
    "ReasoningEffort",
    "Retry",
    "Sent",
    "Session",
    "SessionError",
    "SessionEvent",
    "SessionReceipt",
    "StepMetrics",
    "Stream",
    "Timeouts",
    "Tokens",
    "Turn",
    "TurnMetrics",
    "Viewer",
    "WhenActive",
    "events",
]
