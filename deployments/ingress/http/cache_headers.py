"""What HTTP says of the cache: a caller's wishes in, how their answer came about out.

Flows in: raw request headers, and what the cache noted for each model call. Flows out: Directives
(RFC 9111 section 5.2.1), and the fields `Cache-Status` (RFC 9211), `Age` and `Vary`. Knows neither
keys nor tiers.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from cluster.invalidation.tags import parse_tags
from cluster.runtime.problems import InvalidRequest
from deployments.contracts.cache import NO_DIRECTIVES, CacheOutcome, Directives, Forwarded

Field = tuple[bytes, bytes]

_CONTROL, _MODE, _TAGS = b"cache-control", b"mobula-cache", b"mobula-cache-tags"
_OURS = frozenset((_CONTROL, _MODE, _TAGS))
_SAMPLED = "sampled"
_VARY: Field = (b"vary", b"Authorization")

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_DIRECTIVE = re.compile(rf'({_TOKEN})(?:=({_TOKEN}|"(?:[^"\\]|\\.)*"))?[ \t]*(?:,[ \t,]*|\Z)')
_FLAGS = frozenset(("no-store", "no-cache", "only-if-cached"))
_LONGEST_S = 2.0**31  # RFC 9111 section 1.2.2: what is larger counts as this

_ORDER: tuple[Forwarded, ...] = ("bypass", "request", "miss", "stale")
_LARGEST = 999_999_999_999_999  # of an Integer, RFC 9651 section 3.3.1
_BARE = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")  # a Token, section 3.3.4
_UNPRINTABLE = re.compile(r"[^ -~]")
_LONGEST_DETAIL = 200


def parse_directives(headers: Iterable[Field]) -> Directives:
    """What the caller wishes; `headers` is an ASGI scope's list, whose names are in lower case.

    Raises InvalidRequest, which names the header. Costs a microsecond where nothing is wished.
    """
    ours = [header for header in headers if header[0] in _OURS]
    if not ours:
        return NO_DIRECTIVES
    said = {name: _joined(ours, name) for name, _ in ours}
    wishes = _cache_control(said.get(_CONTROL, ""))
    return Directives(
        no_store="no-store" in wishes,
        no_cache="no-cache" in wishes,
        only_if_cached="only-if-cached" in wishes,
        max_age_s=wishes.get("max-age"),
        sampled=_sampled(said),
        tags=parse_tags(said[_TAGS]) if _TAGS in said else (),
    )


def cache_status_headers(served: Sequence[CacheOutcome]) -> list[Field]:
    """`Cache-Status`, `Age` of a hit, and `Vary`; nothing where no model was called.

    Several calls behind one answer are summed up: a hit if all were, as old as the oldest;
    otherwise forwarded, and stored or collapsed if all that were forwarded were that too.
    """
    if len(served) == 1 and served[0].forwarded is None:
        one = served[0]
        return _hit(one.age_s, one.ttl_s, one.detail)
    if len(served) == 1 and served[0].forwarded == "bypass":
        return [(b"cache-status", _bypass(served[0].detail))]
    forwarded = [each for each in served if each.forwarded is not None]
    if forwarded:
        return _forwarded(served, forwarded)
    if served:
        oldest, shortest = max(s.age_s for s in served), min(s.ttl_s for s in served)
        return _hit(oldest, shortest, _details(served))
    return []


def _joined(headers: Sequence[Field], wanted: bytes) -> str:
    """A field may come in several lines, which make one list (RFC 9110 section 5.3)."""
    return b",".join(value for name, value in headers if name == wanted).decode("latin-1")


def _cache_control(text: str) -> Mapping[str, float]:
    """The directives that are known, flags as 1; of several max-age the smallest."""
    wishes: dict[str, float] = {}
    at, text = 0, text.strip(" \t,")
    while at < len(text):
        found = _DIRECTIVE.match(text, at)
        if found is None:
            raise _bad("Cache-Control", "is not a list of directives (RFC 9111 section 5.2)")
        name, value = found[1].lower(), found[2]
        if name in _FLAGS:
            if value is not None:
                raise _bad("Cache-Control", f"'{name}' takes no value in a request")
            wishes[name] = 1
        elif name == "max-age":
            wishes[name] = min(_seconds(value), wishes.get(name, _LONGEST_S))
        at = found.end()
    return wishes


def _seconds(value: str | None) -> float:
    digits = (value or "").strip('"')
    if not (digits.isascii() and digits.isdigit()):
        raise _bad("Cache-Control", "'max-age' takes a whole number of seconds, 0 or more")
    return min(float(digits), _LONGEST_S)


def _sampled(said: Mapping[bytes, str]) -> bool:
    if _MODE not in said:
        return False
    words = {word.strip().lower() for word in said[_MODE].split(",")} - {""}
    if words != {_SAMPLED}:
        raise _bad("Mobula-Cache", f"takes the word '{_SAMPLED}' and no other")
    return True


def _bad(header: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"Header {header}: {why}.", param=header)


def _hit(age_s: float, ttl_s: float, detail: str) -> list[Field]:
    status = f"mobula;hit;ttl={_whole(ttl_s)}{_parameter(detail)}"
    return [(b"cache-status", status.encode()), (b"age", b"%d" % max(0, _whole(age_s))), _VARY]


def _forwarded(served: Sequence[CacheOutcome], forwarded: Sequence[CacheOutcome]) -> list[Field]:
    reasons = {each.forwarded for each in forwarded}
    hits = len(served) - len(forwarded)
    parts = [f"mobula;fwd={next(reason for reason in _ORDER if reason in reasons)}"]
    if all(each.stored for each in forwarded):
        parts.append(";stored")
    if all(each.collapsed for each in forwarded):
        parts.append(";collapsed")
    detail = f"{hits} of {len(served)} calls hit" if hits else _details(forwarded)
    fields = [(b"cache-status", "".join([*parts, _parameter(detail)]).encode())]
    if hits or reasons != {"bypass"}:
        fields.append(_VARY)
    return fields


@lru_cache(maxsize=256)
def _bypass(detail: str) -> bytes:
    return f"mobula;fwd=bypass{_parameter(detail)}".encode()


def _details(served: Sequence[CacheOutcome]) -> str:
    return " ".join(dict.fromkeys(each.detail for each in served)).strip()


@lru_cache(maxsize=256)
def _parameter(detail: str) -> str:
    """`detail` as a Token where it is one, else as a String of printable ASCII (RFC 9651)."""
    detail = detail[:_LONGEST_DETAIL]
    if not detail:
        return ""
    if _BARE.fullmatch(detail):
        return f";detail={detail}"
    plain = _UNPRINTABLE.sub("?", detail)
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f';detail="{escaped}"'


def _whole(seconds: float) -> int:
    """Rounded down, within what an Integer can say."""
    if -_LARGEST <= seconds <= _LARGEST:
        return math.floor(seconds)
    return _LARGEST if seconds > 0 else -_LARGEST
