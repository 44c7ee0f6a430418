"""What a prompt does to a picture, on the decoded planes.

The words are those that the benchmark and the compatibility checks use; other words do nothing. As in Dispatch's own
restyling, the effects work on luma and chroma, so that both servers do the same work for each pixel.
"""

import io
import re
from dataclasses import dataclass

import av
import numpy as np

WORDS = {
    "invert": "invert",
    "inverted": "invert",
    "negative": "invert",
    "grey": "grey",
    "gray": "grey",
    "monochrome": "grey",
    "mirror": "mirror",
    "mirrored": "mirror",
    "flip": "flip",
}

# How much of its colours a reference image gives.
STRENGTH = 0.8


@dataclass
class Look:
    """What a session's video is to look like."""

    prompt: str | None = None
    # The mean chroma of the reference image: blue and red.
    image: tuple[float, float] | None = None

    def effects(self) -> list[str]:
        """The effects that the prompt names, in their order."""
        words = re.findall(r"[a-z]+", (self.prompt or "").lower())
        return [WORDS[word] for word in words if word in WORDS]


def chroma_of(file: bytes) -> tuple[float, float]:
    """The mean chroma of an image file. Raises ValueError if it is none."""
    try:
        with av.open(io.BytesIO(file)) as container:
            frame = next(container.decode(video=0))
    except (av.FFmpegError, StopIteration, IndexError) as error:
        raise ValueError("The image is not a JPEG, PNG or WebP file") from error
    red, green, blue = frame.to_ndarray(format="rgb24").reshape(-1, 3).mean(axis=0)
    return (
        float(128 - 0.148 * red - 0.291 * green + 0.439 * blue),
        float(128 + 0.439 * red - 0.368 * green - 0.071 * blue),
    )


def draw(frame: av.VideoFrame, look: Look) -> av.VideoFrame:
    """A new frame that looks so. Without anything to do, the frame as it is."""
    effects = look.effects()
    if not effects and look.image is None:
        return frame
    width, height = frame.width & ~1, frame.height & ~1
    if (width, height) != (frame.width, frame.height) or frame.format.name != "yuv420p":
        frame = frame.reformat(width=width, height=height, format="yuv420p")
    picture = frame.to_ndarray(format="yuv420p")
    flat = picture.reshape(-1)
    area = width * height
    luma = flat[:area].reshape(height, width)
    chroma = flat[area:].reshape(2, height // 2, width // 2)
    for effect in effects:
        if effect == "invert":
            np.invert(flat, out=flat)
        elif effect == "grey":
            chroma[:] = 128
        elif effect == "mirror":
            luma[:] = luma[:, ::-1].copy()
            chroma[:] = chroma[:, :, ::-1].copy()
        elif effect == "flip":
            luma[:] = luma[::-1].copy()
            chroma[:] = chroma[:, ::-1].copy()
    if look.image is not None:
        for plane, mean in zip(chroma, look.image, strict=True):
            table = np.arange(256) * (1 - STRENGTH) + mean * STRENGTH
            plane[:] = table.round().astype(np.uint8)[plane]
    drawn = av.VideoFrame.from_ndarray(picture, format="yuv420p")
    drawn.pts, drawn.time_base = frame.pts, frame.time_base
    return drawn
