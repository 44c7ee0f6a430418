"""A moving picture that is known, and what is seen of it in frames that come back.

The picture is a grid of coloured cells. Each row is the palette, turned by three cells for each row and by one more
for each phase, and phases follow each other. `pattern.json` says the numbers; the page of the JavaScript client draws
the same. A frame is judged by the middles of its cells alone, so neither its size nor the codec matter.
"""

import asyncio
import fractions
import json
import pathlib
import time
from dataclasses import dataclass

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

PATTERN = json.loads((pathlib.Path(__file__).parent.parent / "pattern.json").read_text())
COLUMNS, ROWS = PATTERN["columns"], PATTERN["rows"]
PALETTE = np.array(PATTERN["palette"], dtype=float)
IMAGE = np.array(PATTERN["image"], dtype=float)
RATE = PATTERN["framesPerSecond"]
PHASES = len(PALETTE)


def cells_of(phase: int) -> np.ndarray:
    """The colours of the picture: rows, columns, RGB."""
    column, row = np.meshgrid(np.arange(COLUMNS), np.arange(ROWS))
    return PALETTE[(column + 3 * row + phase) % PHASES]


def luma(cells: np.ndarray) -> np.ndarray:
    return cells @ np.array([0.299, 0.587, 0.114])


EFFECTS = {
    "none": lambda cells: cells,
    "invert": lambda cells: 255 - cells,
    "mirror": lambda cells: cells[:, ::-1],
    "grey": lambda cells: np.repeat(luma(cells)[..., None], 3, axis=2),
}
EXPECTED = {(effect, phase): draw(cells_of(phase)) for effect, draw in EFFECTS.items() for phase in range(PHASES)}


@dataclass(frozen=True)
class Sight:
    """What a frame shows."""

    # The effect that explains it best, and of which phase.
    effect: str
    phase: int
    # How far the cells are from that, on average, and how many times as far from the next effect.
    error: float
    margin: float

    @property
    def is_clear(self) -> bool:
        return self.error <= PATTERN["tolerance"] and self.margin >= PATTERN["margin"]


def recognise(cells: np.ndarray, in_grey: bool = False) -> Sight:
    """What these cells show. `in_grey` compares brightness alone, and then does not tell grey from none."""
    measure = luma if in_grey else lambda cells: cells
    errors = {
        key: float(np.abs(measure(cells) - measure(expected)).mean())
        for key, expected in EXPECTED.items()
        if not (in_grey and key[0] == "grey")
    }
    effect, phase = min(errors, key=errors.get)
    error = errors[effect, phase]
    others = min(other for (name, _), other in errors.items() if name != effect)
    return Sight(effect, phase, error, others / max(error, 1.0))


def chroma(colours: np.ndarray) -> np.ndarray:
    """The mean blue and red difference."""
    red, green, blue = np.asarray(colours, dtype=float).reshape(-1, 3).mean(axis=0)
    return np.array([-0.169 * red - 0.331 * green + 0.5 * blue, 0.5 * red - 0.419 * green - 0.081 * blue])


def is_tinted(cells: np.ndarray) -> bool:
    """Whether the colours are nearer to the reference image's than to the picture's own."""
    goal = chroma(IMAGE)
    own = chroma(cells_of(0))
    return float(np.linalg.norm(chroma(cells) - goal)) < 0.6 * float(np.linalg.norm(own - goal))


def cells_in(frame: av.VideoFrame) -> np.ndarray:
    """The mean colours of the middles of the cells."""
    picture = frame.to_ndarray(format="rgb24")
    height, width = picture.shape[:2]
    cells = np.empty((ROWS, COLUMNS, 3))
    for row in range(ROWS):
        for column in range(COLUMNS):
            top, bottom = (int((row + part) * height / ROWS) for part in (0.35, 0.65))
            left, right = (int((column + part) * width / COLUMNS) for part in (0.35, 0.65))
            cells[row, column] = picture[top:bottom, left:right].mean(axis=(0, 1))
    return cells


class Camera(MediaStreamTrack):
    """The picture, as a camera would give it.

    aiortc stops the tracks of a connection that it closes. This one gives frames even so, because the SDK uses it again
    when it reconnects.
    """

    kind = "video"

    def __init__(self, width: int = 640, height: int = 352):
        super().__init__()
        column = np.arange(width) * COLUMNS // width
        row = np.arange(height) * ROWS // height
        self.pictures = []
        for phase in range(PHASES):
            rgb = cells_of(phase).astype(np.uint8)[row[:, None], column[None, :]]
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            self.pictures.append(frame.reformat(format="yuv420p").to_ndarray())
        self.frame = 0
        self.begin = None

    async def recv(self) -> av.VideoFrame:
        now = time.monotonic()
        if self.begin is None:
            self.begin = now
        due = self.begin + self.frame / RATE
        if due < now - 1:
            # It was not asked for a while, as between two connections.
            self.begin += now - due
        await asyncio.sleep(max(0.0, due - now))
        picture = self.pictures[self.frame // PATTERN["phaseFrames"] % PHASES]
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = self.frame * 90000 // RATE
        frame.time_base = fractions.Fraction(1, 90000)
        self.frame += 1
        return frame


class Screen:
    """Watches what comes back. Give it to an SDK as the callback for remote tracks; the newest track counts."""

    def __init__(self):
        self.cells = None
        self.frames = 0
        self.size = None
        self.news = asyncio.Event()
        self.task = None

    def show(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            self.close()
            self.task = asyncio.ensure_future(self.watch(track))

    async def watch(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                self.frames += 1
                self.size = (frame.width, frame.height)
                self.cells = cells_in(frame)
                self.news.set()
        except MediaStreamError:
            pass

    def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            self.task = None

    async def sees(self, effect: str, tinted: bool | None = None, seconds: float = 20.0) -> None:
        """Waits until the picture moves and clearly has that effect, and the reference image's colours or not.

        Three phases must be seen one after another with nothing else clear between them.
        """
        phases: list[int] = []
        last = "no frame came"
        try:
            async with asyncio.timeout(seconds):
                while len(phases) < 3:
                    self.news.clear()
                    await self.news.wait()
                    sight = recognise(self.cells, in_grey=bool(tinted))
                    colours = is_tinted(self.cells)
                    last = f"{sight}, tinted: {colours}, {self.size}"
                    if not sight.is_clear:
                        continue
                    if sight.effect != effect or (tinted is not None and colours != tinted):
                        phases.clear()
                    elif not phases or (sight.phase - phases[-1]) % PHASES in (1, 2, 3):
                        phases.append(sight.phase)
        except TimeoutError:
            raise AssertionError(f"the picture is not {effect} (tinted: {tinted}); last seen: {last}") from None


def reference_image() -> bytes:
    """A PNG file in one colour."""
    picture = np.broadcast_to(IMAGE.astype(np.uint8), (64, 64, 3)).copy()
    codec = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt = 64, 64, "rgb24"
    codec.time_base = fractions.Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])
