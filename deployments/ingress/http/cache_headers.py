"""Cache headers of HTTP: directives of a request, and how its response came about.

In: raw request headers, and the outcome of the cache for each model call. Out: Directives (RFC 9111
section 5.2.1), and the headers `Cache-Status` (RFC 9211), `Age` and `Vary`. Knows neither keys nor
tiers.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from cluster.invalidation.tags import parse_tags
from cluster.runtime.problems import InvalidRequest
from deployments.contracts.cache import NO_DIRECTIVES, CacheOutcome, Directives, Forwarded

Header = tuple[bytes, bytes]

_CONTROL, _MODE, _TAGS = b"cache-control", b"mobula-cache", b"mobula-cache-tags"
DIRECTIVE_HEADERS = frozenset((_CONTROL, _MODE, _TAGS))
_SAMPLED = "sampled"
_VARY: Header = (b"vary", b"Authorization")

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_DIRECTIVE = re.compile(rf'({_TOKEN})(?:=({_TOKEN}|"(?:[^"\\]|\\.)*"))?[ \t]*(?:,[ \t,]*|\Z)')
_FLAGS = frozenset(("no-store", "no-cache", "only-if-cached"))
_MAX_DELTA_S = 2.0**31  # RFC 9111 section 1.2.2: a larger value counts as this

_FORWARDED_ORDER: tuple[Forwarded, ...] = ("bypass", "request", "miss", "stale")
_MAX_INTEGER = 999_999_999_999_999  # RFC 9651 section 3.3.1
_BARE_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")  # RFC 9651 section 3.3.4
_UNPRINTABLE = re.compile(r"[^ -~]")
_MAX_DETAIL = 200


def parse_directives(headers: Iterable[Header]) -> Directives:
    """The cache directives of a request; `headers` are an ASGI scope's, with lower-case names.

    Raises InvalidRequest, which names the header. Costs a microsecond without such headers.
    """
    lines = [header for header in headers if header[0] in DIRECTIVE_HEADERS]
    if not lines:
        return NO_DIRECTIVES
    values = {name: _join(lines, name) for name, _ in lines}
    directives = _parse_cache_control(values.get(_CONTROL, ""))
    return Directives(
        no_store="no-store" in directives,
        no_cache="no-cache" in directives,
        only_if_cached="only-if-cached" in directives,
        max_age_s=directives.get("max-age"),
        sampled=_MODE in values and _parse_mode(values[_MODE]),
        tags=parse_tags(values[_TAGS]) if _TAGS in values else (),
    )


def cache_status_headers(outcomes: Sequence[CacheOutcome]) -> list[Header]:
    """`Cache-Status`, `Age` of a hit, and `Vary`; none where no model was called.

    Several calls of one response are summed up: a hit if all were, as old as the oldest; otherwise
    forwarded, and stored or collapsed if all forwarded calls were.
    """
    if len(outcomes) == 1:
        outcome = outcomes[0]
        if outcome.forwarded is None:
            return _hit(outcome.age_s, outcome.ttl_s, outcome.detail)
        if outcome.forwarded == "bypass":
            return [(b"cache-status", _bypass(outcome.detail))]
    forwarded = [outcome for outcome in outcomes if outcome.forwarded is not None]
    if forwarded:
        return _forwarded(outcomes, forwarded)
    if outcomes:
        oldest_s, shortest_s = max(o.age_s for o in outcomes), min(o.ttl_s for o in outcomes)
        return _hit(oldest_s, shortest_s, _join_details(outcomes))
    return []


def _join(lines: Sequence[Header], wanted: bytes) -> str:
    """A header may come in several lines, which make one list (RFC 9110 section 5.3)."""
    return b",".join(value for name, value in lines if name == wanted).decode("latin-1")


def _parse_cache_control(text: str) -> Mapping[str, float]:
    """The known directives, flags as 1; of several max-age the smallest."""
    directives: dict[str, float] = {}
    position, text = 0, text.strip(" \t,")
    while position < len(text):
        match = _DIRECTIVE.match(text, position)
        if match is None:
            raise _invalid("Cache-Control", "is not a list of directives (RFC 9111 section 5.2)")
        name, value = match[1].lower(), match[2]
        if name in _FLAGS:
            if value is not None:
                raise _invalid("Cache-Control", f"'{name}' takes no value in a request")
            directives[name] = 1
        elif name == "max-age":
            directives[name] = min(_parse_seconds(value), directives.get(name, _MAX_DELTA_S))
        position = match.end()
    return directives


def _parse_seconds(value: str | None) -> float:
    digits = (value or "").strip('"')
    if not (digits.isascii() and digits.isdigit()):
        raise _invalid("Cache-Control", "'max-age' takes a whole number of seconds, 0 or more")
    return min(float(digits), _MAX_DELTA_S)


def _parse_mode(text: str) -> bool:
    modes = {mode.strip().lower() for mode in text.split(",")} - {""}
    if modes != {_SAMPLED}:
        raise _invalid("Mobula-Cache", f"takes the word '{_SAMPLED}' and no other")
    return True


def _invalid(header: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"Header {header}: {reason}.", param=header)


def _hit(age_s: float, ttl_s: float, detail: str) -> list[Header]:
    # Within what an Integer of RFC 9651 can hold.
    age = math.floor(min(max(age_s, 0.0), _MAX_INTEGER))
    ttl = math.floor(min(max(ttl_s, -_MAX_INTEGER), _MAX_INTEGER))
    status = f"mobula;hit;ttl={ttl}{_parameter(detail)}"
    return [(b"cache-status", status.encode()), (b"age", b"%d" % age), _VARY]


def _forwarded(outcomes: Sequence[CacheOutcome], forwarded: Sequence[CacheOutcome]) -> list[Header]:
    reasons = {outcome.forwarded for outcome in forwarded}
    hits = len(outcomes) - len(forwarded)
    status = f"mobula;fwd={next(reason for reason in _FORWARDED_ORDER if reason in reasons)}"
    if all(outcome.stored for outcome in forwarded):
        status += ";stored"
    if all(outcome.collapsed for outcome in forwarded):
        status += ";collapsed"
    status += _parameter(
        f"{hits} of {len(outcomes)} calls hit" if hits else _join_details(forwarded)
    )
    headers = [(b"cache-status", status.encode())]
    if hits or reasons != {"bypass"}:
        headers.append(_VARY)
    return headers


@lru_cache(maxsize=256)
def _bypass(detail: str) -> bytes:
    return f"mobula;fwd=bypass{_parameter(detail)}".encode()


def _join_details(outcomes: Sequence[CacheOutcome]) -> str:
    return " ".join(dict.fromkeys(outcome.detail for outcome in outcomes)).strip()


@lru_cache(maxsize=256)
def _parameter(detail: str) -> str:
    """`detail` as a Token where it is one, else as a String of printable ASCII (RFC 9651)."""
    detail = detail[:_MAX_DETAIL]
    if not detail:
        return ""
    if _BARE_TOKEN.fullmatch(detail):
        return f";detail={detail}"
    printable = _UNPRINTABLE.sub("?", detail)
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"')
    return f';detail="{escaped}"'
