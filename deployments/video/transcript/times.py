"""Parses the times of transcripts, to seconds: `01:02:03,456`, `02:03.4`, `3.5`."""

import regex

from deployments.contracts.media import Seconds

LATEST_S = 1e6
EARLIEST_S = -1e5
_CLOCK = regex.compile(
    r"\s{0,9}([-\u2212])?\s{0,3}(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2})(?:[.,:](\d{1,9})\d{0,30})?\s{0,9}"
)
_TIMING = regex.compile(
    r"([-\u2212]?\s{0,3}\d[\d:.,]{0,30})\s{0,20}-{1,3}>\s{0,20}([-\u2212]?\s{0,3}\d[\d:.,]{0,30})"
)


def clock(text: str) -> Seconds | None:
    """None: not a time. Hours and the fraction may be missing."""
    match = _CLOCK.fullmatch(text[:60].rstrip(".,:"))
    if match is None:
        return None
    sign, hours, minutes, seconds, fraction = match.groups()
    value = float(int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds))
    value += int(fraction) / 10.0 ** len(fraction) if fraction else 0.0
    return -value if sign else value


def timing(line: str) -> tuple[Seconds, Seconds] | None:
    """The times of a line like `00:00:01,000 --> 00:00:02,500 align:start`; None: it has none."""
    match = _TIMING.search(line[:200])
    if match is None:
        return None
    start, end = clock(match[1]), clock(match[2])
    return None if start is None or end is None else (start, end)


def number(value: object) -> Seconds | None:
    """A JSON value as seconds: a number, or a text with a number or a time. None: neither."""
    if isinstance(value, str):
        text = value[:60]
        try:
            value = float(text.removesuffix("s"))
        except ValueError:
            value = clock(text)
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if EARLIEST_S < value < LATEST_S * 1000 else None
