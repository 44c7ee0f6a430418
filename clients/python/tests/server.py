"""A Dispatch server as a process, and a way to it that can be cut: for tests."""

import asyncio
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from types import TracebackType
from typing import IO, Any, Self

ROOT = pathlib.Path(__file__).resolve().parents[3]
PATIENCE = 60.0


def binary() -> pathlib.Path:
    """The server that was built, or that `DISPATCH_BINARY` names."""
    if named := os.environ.get("DISPATCH_BINARY"):
        return pathlib.Path(named)
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    for profile in ("release", "debug"):
        if (found := target / profile / "dispatch").is_file():
            return found
    raise FileNotFoundError("there is no server: build it, or say where it is with DISPATCH_BINARY")


class Server:
    """Runs on free ports, with data of its own, until it is closed."""

    def __init__(self, config: str = "") -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dispatch-python-"))
        # Any free port for media, also when it is started again where it was.
        (self.folder / "dispatch.toml").write_text(config + '\n[realtime]\nudp = ["127.0.0.1:0"]\n')
        self.port = 0
        try:
            self.run()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self) -> None:
        """Starts it again where it was."""
        command = [str(binary()), "serve", "--http", f"127.0.0.1:{self.port}", "--ws", "none"]
        command += ["--data", str(self.folder / "data"), "--config", str(self.folder / "dispatch.toml")]
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        log = None if os.environ.get("DISPATCH_LOG") else subprocess.DEVNULL
        self.process = subprocess.Popen(
            command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        else:
            raise RuntimeError("the server ended before it said where it listens")
        # A server whose output nobody reads would block on it some day.
        threading.Thread(target=_drain, args=[self.process.stdout], daemon=True).start()
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.ask("GET", "/health")
                return
            except (OSError, urllib.error.URLError):
                if self.process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("the server does not answer") from None
                time.sleep(0.02)

    def ask(self, method: str, path: str, key: str = "", body: object = None) -> Any:
        """Asks the server without the client."""
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("content-type", "application/json")
        if key:
            request.add_header("authorization", f"Bearer {key}")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=PATIENCE) as answer:
            return json.load(answer)

    def key(self, operator: str, credits: str) -> str:
        """A new key with so many credits, as an operator makes one."""
        command = [str(binary()), "keys", "create", "--credits", credits, "--server", self.url]
        env = {**os.environ, "DISPATCH_API_KEY": operator}
        made = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
        return made.stdout.strip()

    def kill(self) -> None:
        """As `kill -9`."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Ends it, and removes what it wrote."""
        if hasattr(self, "process"):
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Door:
    """A way to a server that can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lines: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_open = True
        """Whether somebody who knocks is let in."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._enter, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Resets all connections, in the middle of whatever they are in."""
        for line in self._lines:
            line.transport.abort()
        self._lines.clear()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.is_open:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        self._lines |= {writer, back}
        for pair in ((reader, back), (there, writer)):
            task = asyncio.create_task(_carry(*pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


def _drain(output: IO[str]) -> None:
    with output:
        output.read()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.transport.abort()
