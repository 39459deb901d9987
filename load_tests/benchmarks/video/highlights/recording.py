"""Writes a planted recording: matroska video, subtitles, truth. In: a seed. Out: files in a folder.

Pictures and sound are made here and encoded by the bundled ffmpeg, sound without loss: silences
stay exact. Backgrounds come from ffmpeg's own test sources.
"""

import subprocess
import wave
from dataclasses import dataclass, replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from load_tests.benchmarks.video.highlights.audio import RATE, Samples, synthesize_audio
from load_tests.benchmarks.video.highlights.frames import (
    HEIGHT,
    MARGIN,
    WIDTH,
    Frame,
    draw_backgrounds,
    draw_frames,
)
from load_tests.benchmarks.video.highlights.ground_truth import GroundTruth, save
from load_tests.benchmarks.video.highlights.planting import plant

SOURCES = ("gradients=s={size}:seed={seed}:n=6", "testsrc2=s={size}", "mandelbrot=s={size}")
STILLS = 4  # of each source
KEYFRAMES_S = 8


@dataclass(frozen=True, slots=True)
class Recording:
    video: Path
    truth: GroundTruth


def write_recording(seed: int, folder: Path, duration: float | None = None) -> Recording:
    """`planted-<seed>.mkv` and `planted-<seed>.json` in `folder`; replaced if they are there."""
    planned = plant(seed, duration)
    video = folder / f"planted-{seed}.mkv"
    wav = folder / f"planted-{seed}.wav"
    sound, silences = synthesize_audio(planned)
    _write_sound(sound, wav)
    truth = replace(planned, silences=silences)
    _encode(truth, wav, video)
    wav.unlink()
    save(truth, folder / f"planted-{seed}.json")
    return Recording(video, truth)


def stills(seed: int) -> Frame:
    """Pictures (n, height, width) of ffmpeg's test sources, with a margin on every side."""
    width, height = WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN
    made = []
    for source in SOURCES:
        graph = source.format(size=f"{width}x{height}", seed=seed)
        argv = [_ffmpeg(), "-v", "error", "-f", "lavfi", "-i", f"{graph}:r=1"]
        argv += ["-frames:v", str(STILLS), "-f", "rawvideo", "-pix_fmt", "gray", "-"]
        pixels = subprocess.run(argv, check=True, capture_output=True).stdout
        made.append(np.frombuffer(pixels, np.uint8).reshape(-1, height, width))
    return np.concatenate(made)


def _write_sound(sound: Samples, path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound * 32_767).astype("<i2").tobytes())


def _encode(truth: GroundTruth, sound: Path, video: Path) -> None:
    argv = [_ffmpeg(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "gray"]
    argv += ["-s", f"{WIDTH}x{HEIGHT}", "-r", str(truth.fps), "-i", "-", "-i", str(sound)]
    argv += ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "28", "-pix_fmt", "yuv420p"]
    argv += ["-g", str(truth.fps * KEYFRAMES_S), "-c:a", "flac", "-threads", "1", str(video)]
    backgrounds = draw_backgrounds(truth.seed, stills(truth.seed))
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        for frame in draw_frames(truth, backgrounds):
            encoder.stdin.write(frame.tobytes())
        encoder.stdin.close()
        if encoder.wait() != 0:
            raise RuntimeError(f"encoding {video.name} failed with status {encoder.returncode}")


def _ffmpeg() -> str:
    return imageio_ffmpeg.get_ffmpeg_exe()
