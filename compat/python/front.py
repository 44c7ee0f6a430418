"""A door in front of the server, through which an SDK is led so that its attempts can be counted and its lines cut.

The SDKs stay as they are; only the address that they are given is this one. What goes through is not changed, but for
the header `Host`, so that the server sees its own name.
"""

import asyncio
import ssl
import urllib.parse


class Front:
    """Listens on a port of its own and passes everything on to a server."""

    def __init__(self, url: str):
        parts = urllib.parse.urlsplit(url)
        self.host = parts.hostname or "127.0.0.1"
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.authority = parts.netloc
        self.ssl = ssl.create_default_context() if parts.scheme == "https" else None
        self.server: asyncio.Server | None = None
        # The path of each request, in order.
        self.paths: list[str] = []
        self.lines: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task] = set()

    async def __aenter__(self) -> "Front":
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0, limit=1 << 20)
        return self

    async def __aexit__(self, *_) -> None:
        self.server.close()
        self.cut()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    @property
    def ws(self) -> str:
        return self.http.replace("http", "ws", 1)

    def attempts(self) -> int:
        """How many sessions were asked for, as producer or viewer."""
        return sum(path.endswith("/stream") or path.startswith("/subscribe/") for path in self.paths)

    def cut(self) -> None:
        """Breaks all connections, without a word."""
        for line in self.lines:
            line.transport.abort()
        self.lines.clear()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self.tasks.add(task)
        try:
            await self.relay(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()
            self.tasks.discard(task)

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.paths.append(urllib.parse.urlsplit(head[0].split(" ")[1]).path)
        head = [f"Host: {self.authority}" if line.lower().startswith("host:") else line for line in head]
        inner, outer = await asyncio.open_connection(self.host, self.port, ssl=self.ssl)
        self.lines |= {writer, outer}
        outer.write("\r\n".join(head).encode("latin-1"))
        try:
            await asyncio.gather(pour(reader, outer), pour(inner, writer))
        finally:
            self.lines -= {writer, outer}
            outer.close()


async def pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(1 << 16):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
