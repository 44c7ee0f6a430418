"""Calls of the extension end when those who wait do, and fail as they should. No server of the project is needed."""

import asyncio
import gc
import json
import subprocess
import sys
import traceback
import unittest
import weakref

import numpy as np
from dispatch_client import Camera, Client, DispatchError, Picture

SECRET = "dsp_a-secret-of-the-tests"


class Silent:
    """A server that accepts connections and says nothing."""

    async def __aenter__(self) -> "Silent":
        self.visits = 0
        self.is_left = asyncio.Event()
        self._server = await asyncio.start_server(self._enter, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        try:
            while await reader.read(65_536):
                pass
        except OSError:
            pass
        self.is_left.set()
        writer.close()


class Calls(unittest.IsolatedAsyncioTestCase):
    async def test_a_call_that_is_cancelled_lets_go_of_its_connection(self) -> None:
        async with Silent() as server:
            client = Client(server.url)
            connecting = client.realtime.connect(Camera(), model="small")
            for call in (client.models(), client.conversations.send("say hello"), connecting):
                server.is_left.clear()
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(call, 0.3)
                await asyncio.wait_for(server.is_left.wait(), 10)

    async def test_a_watch_that_is_closed_lets_go_of_its_connection(self) -> None:
        async with Silent() as server:
            async with Client(server.url).conversations.watch("tour") as feed:
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(anext(feed), 0.2)
                self.assertEqual(server.visits, 1)
                # It still waits, on the same connection.
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(anext(feed), 0.2)
                self.assertEqual((server.visits, server.is_left.is_set()), (1, False))
            await asyncio.wait_for(server.is_left.wait(), 10)

    async def test_what_cannot_be_used_is_said_and_has_no_key_in_it(self) -> None:
        async def connect(**options: object) -> None:
            await Client("http://127.0.0.1:9", SECRET).realtime.connect(Camera(), model="small", **options)  # type: ignore[arg-type]

        client = Client("http://127.0.0.1:9", SECRET)

        async def bad_url() -> None:
            Client("ftp://nowhere", SECRET)

        async def bad_key() -> None:
            Client("http://127.0.0.1:9", SECRET + "\n\x7f")

        async def bad_picture(picture: object) -> None:
            Camera().show(picture)  # type: ignore[arg-type]

        calls = [
            (bad_url(), "invalid_input"),
            (bad_key(), "invalid_input"),
            (bad_picture(np.zeros((4, 4), np.uint8)), "invalid_input"),
            (bad_picture(np.zeros((4, 4, 3), np.float32)), "invalid_input"),
            (bad_picture(np.zeros((0, 4, 3), np.uint8)), "invalid_input"),
            (bad_picture("a picture"), "invalid_input"),
            (connect(image="/no/such/file"), "invalid_input"),
            (connect(prompt=" "), "invalid_input"),
            (client.realtime.subscribe("nonsense"), "invalid_input"),
        ]
        for call, code in calls:
            try:
                await call
                self.fail(code)
            except DispatchError as error:
                self.assertEqual(error.code, code, repr(error))
                told = f"{error} {error!r} {error.args} {''.join(traceback.format_exception(error))}"
                self.assertNotIn(SECRET, told)
        self.assertNotIn(SECRET, repr(client) + str(vars(client)))

    async def test_a_server_that_says_the_key_again_is_not_repeated(self) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(65_536)
            body = json.dumps({"error": f"{SECRET} is no key", "code": "unauthorized"})
            writer.write(f"HTTP/1.1 401 No\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = Client(url, SECRET)
        conversations = client.conversations
        calls = (client.models(), conversations.send("hello"), conversations.stream("hello").text())
        for call in (*calls, anext(conversations.watch("tour")), client.realtime.connect(Camera(), model="small")):
            with self.assertRaises(DispatchError) as raised:
                await call
            error = raised.exception
            self.assertNotIn(SECRET, f"{error} {error!r} {''.join(traceback.format_exception(error))}")
            self.assertTrue(error.permanent, repr(error))
        server.close()

    async def test_pictures_need_not_be_contiguous(self) -> None:
        camera = Camera()
        picture: Picture = np.zeros((8, 8, 3), np.uint8)
        for view in (picture, picture[::-1], picture[:, ::2], np.asfortranarray(picture)):
            camera.show(view)
            camera.show(view, timestamp=1.5)

    async def test_nothing_holds_a_client_that_nobody_has(self) -> None:
        client = Client("http://127.0.0.1:9")
        gone = weakref.ref(client)
        del client
        gc.collect()
        self.assertIsNone(gone())


class Ends(unittest.TestCase):
    def test_an_interpreter_that_ends_in_the_middle_of_calls_ends(self) -> None:
        script = """
import asyncio
from dispatch_client import Camera, Client

async def main():
    server = await asyncio.start_server(lambda reader, writer: asyncio.sleep(60), "127.0.0.1", 0)
    client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    calls = [client.models(), client.realtime.connect(Camera(), model="small"), anext(client.conversations.watch("a"))]
    global tasks
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.sleep(0.2)
    print("ended")
    import os
    HOW

asyncio.run(main())
"""
        for how in ("pass", "import sys; sys.exit(0)", "asyncio.get_running_loop().stop()"):
            command = [sys.executable, "-c", script.replace("HOW", how)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.stdout, "ended\n", done.stderr)
            self.assertIn(done.returncode, (0, 1), done.stderr)
            self.assertNotIn("panicked", done.stderr)
