"""Parses ffmpeg's listing of packets (`-f framecrc`): a text in, the time of each frame out."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from deployments.contracts.media import Seconds


@dataclass(frozen=True, slots=True)
class Packet:
    """`time` and `duration` of its presentation; `is_keyframe`: it needs no earlier ones."""

    time: Seconds
    duration: Seconds
    is_keyframe: bool


def read_packets(listing: Path) -> tuple[Packet, ...]:
    """The packets listed in a file, by time; none if the file does not exist."""
    return parse_packets(listing.read_text(errors="replace")) if listing.is_file() else ()


def parse_packets(text: str) -> tuple[Packet, ...]:
    """Lines are `stream, dts, pts, duration, size, checksum[, F=flags]...`, times in units of the
    `#tb` line. Flags are listed only if they differ from "key"."""
    unit = Fraction(1)
    packets: list[Packet] = []
    for line in text.splitlines():
        if line.startswith("#tb "):
            unit = Fraction(line.split(":", 1)[1].strip())
        elif line and not line.startswith("#"):
            packets.extend(_packet(line.split(","), unit))
    return tuple(sorted(packets, key=lambda packet: packet.time))


def _packet(fields: list[str], unit: Fraction) -> tuple[Packet, ...]:
    try:
        dts, pts, duration = (_integer(field) for field in fields[1:4])
    except ValueError:
        return ()
    time = dts if pts is None else pts
    if time is None:
        return ()
    flags = next((field.strip()[2:] for field in fields[6:] if field.strip()[:2] == "F="), "0x1")
    return (Packet(float(time * unit), float((duration or 0) * unit), bool(int(flags, 16) & 1)),)


def _integer(field: str) -> int | None:
    field = field.strip()
    return None if field == "NOPTS" else int(field)
