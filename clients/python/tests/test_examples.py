"""The examples, as a reader would run them, and programs that end carelessly."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

from server import Server

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"
CONFIG = '[[realtime.models]]\nname = "small"\nwidth = 320\nheight = 180\nfps = 15\n'


class Examples(unittest.TestCase):
    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server(CONFIG)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.close()

    def run_example(self, name: str, *args: str) -> str:
        env = {**os.environ, "DISPATCH_URL": self.server.url, "DISPATCH_MODEL": "small"}
        command = [sys.executable, str(EXAMPLES / name), *args]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120).stdout

    def test_chat_prints_the_answer_and_what_it_cost(self) -> None:
        self.assertRegex(self.run_example("chat.py", "say hello"), r"^hello\n\n\d+ tokens in, \d+ out\n$")

    def test_picture_says_what_came_back_and_writes_it(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "picture.ppm"
            told = self.run_example("picture.py", "invert", str(file))
            self.assertRegex(told, r"connecting\n(connected\n)?generating\n")
            self.assertRegex(told, r"1 seconds\n")
            self.assertRegex(told, r"disconnected\npictures of 320×180 came back; [2-9] seconds cost 0 credits\n$")
            self.assertEqual(len(file.read_bytes()), len(b"P6 320 180 255\n") + 320 * 180 * 3)

    def test_a_program_that_ends_in_the_middle_of_a_session_ends_it(self) -> None:
        script = f"""
import asyncio, numpy
from dispatch_client import Client

async def pictures():
    while True:
        yield numpy.zeros((180, 320, 3), numpy.uint8)
        await asyncio.sleep(1 / 15)

async def main():
    global session, frames
    client = Client("{self.server.url}")
    session = await client.realtime.connect(pictures(), model="small")
    frames = session.frames()
    for _ in range(10):
        await anext(frames)
    print("seen")

asyncio.run(main())
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
        self.assertEqual((done.stdout, done.returncode), ("seen\n", 0), done.stderr)
        self.assertNotIn("panicked", done.stderr)
        until = time.monotonic() + 60
        while self.server.ask("GET", "/metrics/realtime")["sessions"] > 0:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.1)
