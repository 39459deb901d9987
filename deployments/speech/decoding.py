"""A recording's sound as 16 kHz samples: a file in, a file of samples out; decoded in a child."""

import math
import secrets
from dataclasses import dataclass
from pathlib import Path

from deployments.contracts.media import Seconds
from deployments.sandbox import Cancel, ChildLimits, link_input, python_child

_MODULE = "deployments.speech.decode_worker"
_WIDTH = 2  # bytes of a sample
RATE = 16_000


@dataclass(frozen=True, slots=True)
class DecodedSound:
    """`samples` of signed 16 bit in `path`, at 16 kHz, the first at `start` of the source."""

    path: Path
    start: Seconds
    samples: int

    def read(self, position: int, count: int) -> bytes:
        """At most `count` samples from `position` on."""
        with self.path.open("rb") as file:
            file.seek(position * _WIDTH)
            return file.read(count * _WIDTH)

    def position(self, second: Seconds) -> int:
        return min(self.samples, max(0, round((second - self.start) * RATE)))

    def second(self, position: int) -> Seconds:
        return self.start + position / RATE


def decode_sound(
    source: Path,
    stream: int | None,
    start: Seconds,
    end: Seconds,
    folder: Path,
    cancel: Cancel | None = None,
) -> DecodedSound:
    """From `start` to `end` seconds of the source, into a file in the private `folder`. Blocks.
    Raises NoMedia, MediaRefused, MediaDamaged and as `python_child` does."""
    out = folder / f"samples-{secrets.token_hex(8)}"
    cpu_s = math.ceil(120 + end)
    limits = ChildLimits(cpu_s=cpu_s, wall_s=float(4 * cpu_s))
    with link_input(source, folder) as (name, readable):
        request = {"name": name, "stream": stream, "start": start, "end": end, "out": out.name}
        answer = python_child(
            _MODULE, request, folder, limits=limits, cancel=cancel, readable=readable
        )
    samples = min(int(answer["samples"]), out.stat().st_size // _WIDTH)
    return DecodedSound(out, float(answer["start"]), samples)
