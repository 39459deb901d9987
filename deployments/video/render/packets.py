"""Reads ffmpeg's listing of packets (`-f framecrc`): a text in, when each frame is shown out."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from deployments.contracts.media import Seconds


@dataclass(frozen=True, slots=True)
class Packet:
    """`at`: when it is shown or heard, `lasts`: for how long; `key`: it needs none before it."""

    at: Seconds
    lasts: Seconds
    key: bool


def read_packets(listing: Path) -> tuple[Packet, ...]:
    """The packets listed in a file, by time; none if there is no such file."""
    return parse_packets(listing.read_text(errors="replace")) if listing.is_file() else ()


def parse_packets(text: str) -> tuple[Packet, ...]:
    """Lines are `stream, dts, pts, duration, size, checksum[, F=flags]...`, times in units of the
    `#tb` line. Flags are listed only where they are other than "key"."""
    unit = Fraction(1)
    found: list[Packet] = []
    for line in text.splitlines():
        if line.startswith("#tb "):
            unit = Fraction(line.split(":", 1)[1].strip())
        elif line and not line.startswith("#"):
            found.extend(_packet(line.split(","), unit))
    return tuple(sorted(found, key=lambda packet: packet.at))


def _packet(fields: list[str], unit: Fraction) -> tuple[Packet, ...]:
    try:
        dts, pts, lasts = (_whole(field) for field in fields[1:4])
    except ValueError:
        return ()
    at = dts if pts is None else pts
    if at is None:
        return ()
    flags = next((field.strip()[2:] for field in fields[6:] if field.strip()[:2] == "F="), "0x1")
    return (Packet(float(at * unit), float((lasts or 0) * unit), bool(int(flags, 16) & 1)),)


def _whole(field: str) -> int | None:
    field = field.strip()
    return None if field == "NOPTS" else int(field)
