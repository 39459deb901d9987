"""PySceneDetect and MoviePy in an environment of their own, so that ours stays as it is.

In: nothing. Out: the paths of their programs; made once with pip, for later runs too.
"""

import csv
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cluster.runtime.installation import working_folder
from load_tests.benchmarks.common.environments import install_environment

PACKAGES = ("scenedetect-headless==0.7.2", "moviepy==2.2.1")
WANTED = "\n".join(PACKAGES)
STAMP = "installed.txt"
FOLDER = working_folder() / ".mobula" / "bench" / "video"
DETECTOR = "detect-adaptive"


@dataclass(frozen=True, slots=True)
class ReferenceTools:
    """`scenedetect` is its command line, `python` one that imports moviepy."""

    python: Path
    scenedetect: Path

    def detect(self, video: Path) -> None:
        """`detect-adaptive list-scenes`, as it is timed: nothing is written."""
        self._scenedetect(video, "-n")

    def cuts(self, video: Path, listing: Path, detector: str = DETECTOR) -> list[int]:
        """Numbers (from 0) of the frames that begin a scene, but the first."""
        written = ("-q", "-s", "-o", str(listing.parent), "-f", listing.name)
        self._scenedetect(video, *written, detector=detector)
        return read_first_frames(listing)[1:]

    def _scenedetect(self, video: Path, *listing: str, detector: str = DETECTOR) -> None:
        begin = [str(self.scenedetect), "-q", "-i", str(video)]
        command = [*begin, detector, "list-scenes", *listing]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=video.parent)


def read_first_frames(listing: Path) -> list[int]:
    """Of the scenes in a list that it wrote, from 0; it counts from 1."""
    with listing.open(newline="") as file:
        return [int(row["Start Frame"]) - 1 for row in csv.DictReader(file)]


def install_reference_tools(folder: Path = FOLDER) -> ReferenceTools:
    """Raises MissingRequirement where they cannot be installed."""
    if find_installed(folder) is None:
        install_environment(folder, PACKAGES)
        (folder / STAMP).write_text(WANTED)
    return ReferenceTools(folder / "bin" / "python", folder / "bin" / "scenedetect")


def find_installed(folder: Path = FOLDER) -> ReferenceTools | None:
    """Those that are there; None where these versions are not."""
    stamp = folder / STAMP
    if not stamp.exists() or stamp.read_text() != WANTED:
        return None
    return ReferenceTools(folder / "bin" / "python", folder / "bin" / "scenedetect")


def list_versions() -> dict[str, str]:
    return dict(package.split("==", 1) for package in PACKAGES)
