"""Times at which posts are due: a local time and its zone in, an instant out.

A zone is a name of the IANA database, such as `Europe/Berlin`. A time that clocks skip where
daylight saving time begins is refused; of a time that comes twice, the first is meant, unless the
time carries an offset.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cluster.runtime.problems import InvalidRequest

UTC_NAME = "UTC"
MAX_AHEAD_S = 5 * 366 * 86_400.0
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}", re.ASCII)
_LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ScheduledTime:
    """`at` is Unix seconds."""

    at: float
    zone: str

    @property
    def local(self) -> str:
        """As ISO 8601, with the offset of the zone."""
        return datetime.fromtimestamp(self.at, zone_of(self.zone)).isoformat(timespec="seconds")


class TimeInPast(InvalidRequest):
    slug, title = "time-in-past", "The time is over"


class TimeDoesNotExist(InvalidRequest):
    """Clocks skip this time, as daylight saving time begins."""

    slug, title = "time-does-not-exist", "Clocks skip this time"


def zone_of(name: str) -> ZoneInfo:
    """Raises InvalidRequest (zone)."""
    try:
        if len(name) > 64 or _ZONE.fullmatch(name) is None:
            raise ValueError
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequest(
            f"zone: there is no time zone '{name[:64]}'; one is 'Europe/Berlin'.", param="zone"
        ) from None


def scheduled_time(text: str, zone: str | None, now: float) -> ScheduledTime:
    """The instant of `text`, ISO 8601: with an offset, or else in `zone`, which is then needed.

    Raises InvalidRequest (at, zone), TimeInPast, TimeDoesNotExist.
    """
    if _LOCAL.fullmatch(text) is None:
        raise _invalid("is not a time such as 2026-12-24T18:00:00")
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise _invalid("is no day or time of the calendar") from None
    if given.tzinfo is None and zone is None:
        raise InvalidRequest("zone: is needed, as 'at' has no offset.", param="zone")
    name = UTC_NAME if zone is None else zone
    tz = zone_of(name)
    try:
        instant = given if given.tzinfo is not None else _instant(given, tz, name)
        at = instant.timestamp()
    except OverflowError:
        raise _invalid("is out of range") from None
    if at <= now:
        raise TimeInPast(f"at: {text} is over.", param="at")
    if at > now + MAX_AHEAD_S:
        raise _invalid("is more than five years ahead")
    return ScheduledTime(at, name)


def _instant(local: datetime, tz: ZoneInfo, name: str) -> datetime:
    """Raises TimeDoesNotExist."""
    instant = local.replace(tzinfo=tz).astimezone(UTC)
    if instant.astimezone(tz).replace(tzinfo=None) != local:
        after = (local - timedelta(hours=3)).replace(tzinfo=tz).astimezone(UTC)
        shown = (after + timedelta(hours=3)).astimezone(tz).isoformat(timespec="seconds")
        raise TimeDoesNotExist(
            f"at: clocks in {name} skip {local.isoformat(' ')}; {shown} exists.", param="at"
        )
    return instant


def _invalid(reason: str) -> InvalidRequest:
    return InvalidRequest(f"at: {reason}.", param="at")
