"""Captions drawn by ffmpeg and libass on a black picture, as arrays."""

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from deployments.video.captions import safe_area
from deployments.video.captions.font import files_for

FPS = 20


def draw(
    ass: str, folder: Path, width: int = 180, height: int = 320, seconds: float = 1.0
) -> tuple[NDArray[np.uint8], str]:
    """Frames of shape (n, height, width, 3), `FPS` a second, and what libass logged."""
    (folder / "c.ass").write_text(ass)
    (folder / "fonts").mkdir(exist_ok=True)
    for font in files_for(ass):
        with suppress(FileExistsError):
            (folder / "fonts" / font.name).symlink_to(font)
    black = f"color=black:s={width}x{height}:r={FPS}:d={seconds},format=rgb24"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "verbose", "-f", "lavfi", "-i", black]
    command += ["-vf", "ass=c.ass:fontsdir=fonts", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=60)
    frames = np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)
    return frames, done.stderr.decode()


def drawn_outside(frames: NDArray[np.uint8]) -> int:
    """How many pixels outside the safe area are not black."""
    _, height, width, _ = frames.shape
    area = safe_area(width, height)
    rows = slice(round(area.top * height), round(area.bottom * height))
    columns = slice(round(area.left * width), round(area.right * width))
    outside = frames.copy()
    outside[:, rows, columns] = 0
    return int(np.count_nonzero(outside))


def near(frame: NDArray[np.uint8], colour: Sequence[int]) -> int:
    """How many pixels have about that colour."""
    return int((np.abs(frame.astype(int) - np.array(colour)).max(axis=-1) < 30).sum())
