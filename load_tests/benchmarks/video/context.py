"""What the parts of `./mobula bench video` share: options, recordings, peers, one cluster.

Everything expensive is made when it is first needed. Flows in: options. Flows out: files and a URL.
"""

import argparse
import subprocess
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from deployments.contracts.media import MediaSource
from deployments.sandbox.binary import ffmpeg_binary
from deployments.video.probe.probe import probe
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.reference_tools import ReferenceTools, install_reference_tools

PICTURE = "testsrc2=s=1920x1080:r=30,noise=alls=14:allf=t"  # 10 Mbit/s
SOUND = "anoisesrc=c=pink:a=0.3:r=48000,tremolo=f=4:d=0.9"
CODE = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "27", "-g", "90", "-pix_fmt", "yuv420p")
ECHO = {"id": "echo", "engine": "echo", "source": "echo", "num_cpus": 0.1}


@dataclass
class VideoBenchmark:
    """`goals` are those wanted; `raw` takes what a part measured, for the report."""

    options: argparse.Namespace
    goals: Collection[str]
    console: Console
    scratch: Path
    stack: ExitStack
    raw: dict[str, Any] = field(default_factory=dict)

    def print(self, text: str) -> None:
        self.console.print(text, style="dim")

    def folder(self, name: str) -> Path:
        """A private folder of this run."""
        made = self.scratch / name
        made.mkdir(exist_ok=True)
        return made

    @property
    def clip_s(self) -> float:
        """How long clips are: a fifth of the recording."""
        return max(1.0, float(self.recording.info.duration) / 5)

    @cached_property
    def peers(self) -> ReferenceTools:
        self.print("PySceneDetect and MoviePy go into an environment of their own ...")
        return install_reference_tools()

    @cached_property
    def recording(self) -> MediaSource:
        """1080p30, `--seconds` long, or `--source`: noise is dear to decode and encode, as a
        camera's pictures are."""
        path: Path = self.options.source or self._noisy()
        folder = self.folder("recording")
        return MediaSource(path, probe(path, folder), "bench")

    def _noisy(self) -> Path:
        self.print(f"making a recording of {self.options.seconds:g} s ...")
        path = self.folder("recording") / "noisy.mp4"
        graphs = ("-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", SOUND)
        sound = ("-c:a", "aac", "-ac", "2", "-t", f"{self.options.seconds:g}")
        ffmpeg(path.parent, *graphs, *CODE, *sound, path.name)
        return path

    @cached_property
    def cluster(self) -> LocalServe:
        """Mobula with the echo engine and video on, on a cluster of its own. Ray is imported only
        now."""
        self.print("starting a cluster of its own ...")
        local = self.stack.enter_context(LocalServe())
        from graphs.app import build
        from graphs.args import AppArgs

        video = {"gpu": False, "side_by_side": self.options.workers, "max_form_mib": 10_240}
        args = {
            "models": [ECHO],
            "ingress": {"num_cpus": 0.1},
            "limiter": {"authority": "embedded"},
            "video": video,
        }
        local.run(build(AppArgs.model_validate(args)), "mobula", "/")
        return local


def ffmpeg(folder: Path, *words: str) -> None:
    """Runs it in `folder`. Raises CalledProcessError."""
    command = [ffmpeg_binary(), "-v", "error", "-nostdin", "-y", *words]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
