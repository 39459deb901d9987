"""What is planted in one recording. In: nothing. Out: values, and their JSON file.

All times are seconds of the recording. Intensities and strengths are above 0, at most about 1.15.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from deployments.contracts.media import Transcript, Word

Kind = Literal["loud", "laughter", "motion", "cuts", "hook", "keyword"]
DecoyKind = Literal["click", "flash", "music", "shake", "intro"]
KINDS: tuple[Kind, ...] = ("loud", "laughter", "motion", "cuts", "hook", "keyword")
DECOYS: tuple[DecoyKind, ...] = ("click", "flash", "music", "shake", "intro")


@dataclass(frozen=True, slots=True)
class Ingredient:
    kind: Kind
    start: float
    end: float
    strength: float


@dataclass(frozen=True, slots=True)
class PlantedMoment:
    """A moment to be found. `intensity` is how much is planted: the strengths of all ingredients,
    each by the share of the moment it covers, over the most there can be. `grade` is what they
    were drawn from. `spoken`: it begins and ends with a sentence; else nobody speaks."""

    start: float
    end: float
    intensity: float
    grade: float
    spoken: bool
    ingredients: tuple[Ingredient, ...]


@dataclass(frozen=True, slots=True)
class Decoy:
    kind: DecoyKind
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class PlannedShot:
    """`texture` is its background's number; `dissolve` is how long it fades in (0: a hard cut)."""

    start: float
    texture: int
    dissolve: float = 0.0


@dataclass(frozen=True, slots=True)
class PlannedSubject:
    """Where the moving subject is at a time: centre, width, height as shares of the picture."""

    time: float
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """`cuts` are the hard ones. `dead_air` is digital silence; `silences` hold all stretches in
    which nothing planted sounds, known once the sound is made. `subjects` are 5 a second, but for
    camera shakes, where there is none."""

    seed: int
    duration: float
    fps: int
    planted: tuple[PlantedMoment, ...]
    decoys: tuple[Decoy, ...]
    words: tuple[Word, ...]
    keywords: tuple[str, ...]
    shots: tuple[PlannedShot, ...]
    dead_air: tuple[tuple[float, float], ...]
    silences: tuple[tuple[float, float], ...] = ()
    subjects: tuple[PlannedSubject, ...] = ()

    @property
    def cuts(self) -> tuple[float, ...]:
        return tuple(shot.start for shot in self.shots[1:] if shot.dissolve == 0)

    @property
    def transcript(self) -> Transcript:
        return Transcript(self.words, "sidecar", "en")

    def of(self, kind: DecoyKind) -> tuple[Decoy, ...]:
        return tuple(decoy for decoy in self.decoys if decoy.kind == kind)


def save(truth: GroundTruth, path: Path) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(truth), indent=1))


def load(path: Path) -> GroundTruth:
    return msgspec.json.decode(path.read_bytes(), type=GroundTruth)
