"""Ranges of numbers as grammar nodes over their digits, exactly.

Canonical JSON numbers with at most 15 significant digits, which doubles keep. A bounded number has
no exponent, and so few digits after the point that no double next to a bound rounds to it.
"""

from dataclasses import dataclass
from decimal import Decimal

from deployments.model.text.structured.nodes import (
    EMPTY,
    Node,
    alternation,
    character_class,
    characters,
    concatenation,
    literal,
    optional,
    repetition,
)

DIGITS = 15  # significant decimal digits that a double keeps
_LARGEST = 10**DIGITS - 1

DIGIT = characters("0123456789")
_LEADING = characters("123456789")


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range; `exclusive`: `value` itself is outside."""

    value: Decimal
    exclusive: bool = False


def integers(low: int | None, high: int | None) -> Node | None:
    """Integers from `low` to `high` (None: as far as 15 digits go); None where there are none.

    Raises ValueError where all of them have more digits.
    """
    if low is not None and high is not None and low > high:
        return None
    low = -_LARGEST if low is None else max(low, -_LARGEST)
    high = _LARGEST if high is None else min(high, _LARGEST)
    if low > high:
        raise ValueError("the bounds have too many digits")
    options = []
    if low < 0:
        options.append(concatenation(literal("-"), _natural(max(1, -high), -low)))
    if high >= 0:
        options.append(_natural(max(0, low), high))
    return alternation(*options) if options else None


def numbers(low: Bound | None, high: Bound | None) -> Node | None:
    """Numbers of a range; None where there are none.

    Raises ValueError for bounds with more digits than can be held to exactly.
    """
    zero = Bound(Decimal(0))
    if low in (None, zero) and high is None:
        sign = optional(literal("-")) if low is None else EMPTY
        whole = alternation(literal("0"), concatenation(_LEADING, repetition(DIGIT, 0, DIGITS - 1)))
        fraction = optional(concatenation(literal("."), repetition(DIGIT, 1, DIGITS)))
        sign_of_exponent = optional(characters("+-"))
        exponent = optional(
            concatenation(characters("eE"), sign_of_exponent, repetition(DIGIT, 1, 2))
        )
        return concatenation(sign, whole, fraction, exponent)
    options = []
    if low is None or low.value < 0:
        nearest = zero if high is None or high.value > 0 else _negated(high)
        farthest = None if low is None else _negated(low)
        negative = _magnitudes(nearest, farthest)
        options += [concatenation(literal("-"), negative)] if negative else []
    if high is None or high.value >= 0:
        positive = _magnitudes(zero if low is None or low.value < 0 else low, high)
        options += [positive] if positive else []
    return alternation(*options) if options else None


def _negated(bound: Bound) -> Bound:
    return Bound(-bound.value, bound.exclusive)


def _natural(low: int, high: int) -> Node:
    """Integers of a range that begins at 0 or above, and is not empty."""
    options: list[Node] = []
    full_from = 0  # the length from which on all numbers are in the range
    for length in range(len(str(low)), len(str(high)) + 1):
        first = max(low, 10 ** (length - 1) if length > 1 else 0)
        last = min(high, 10**length - 1)
        if length > 1 and first == 10 ** (length - 1) and last == 10**length - 1:
            full_from = full_from or length
            continue
        if full_from:
            options.append(_of_lengths(full_from, length - 1))
            full_from = 0
        options.append(_between(str(first), str(last)))
    if full_from:
        options.append(_of_lengths(full_from, len(str(high))))
    return alternation(*options)


def _of_lengths(shortest: int, longest: int) -> Node:
    return concatenation(_LEADING, repetition(DIGIT, shortest - 1, longest - 1))


def _between(low: str, high: str) -> Node:
    """Digit strings of one length from `low` to `high`."""
    if low == high:
        return literal(low)
    first, last, rest = int(low[0]), int(high[0]), len(low) - 1
    if first == last:
        return concatenation(literal(low[0]), _between(low[1:], high[1:]))
    options: list[Node] = []
    if low[1:] != "0" * rest:
        options.append(concatenation(literal(low[0]), _between(low[1:], "9" * rest)))
        first += 1
    upper: list[Node] = []
    if high[1:] != "9" * rest:
        upper.append(concatenation(literal(high[0]), _between("0" * rest, high[1:])))
        last -= 1
    if first <= last:
        options.append(concatenation(_digits(first, last), repetition(DIGIT, rest, rest)))
    return alternation(*options, *upper)


def _digits(first: int, last: int) -> Node:
    return character_class([(0x30 + first, 0x30 + last)])


def _magnitudes(low: Bound, high: Bound | None) -> Node | None:
    """Numbers without a sign from `low`, which is 0 or above."""
    if high is not None and high.value < low.value:
        return None
    whole_low, part_low = _split(low.value)
    whole_high, part_high = _split(Decimal(_LARGEST) if high is None else high.value)
    room = DIGITS - len(str(whole_low if high is None else whole_high))
    if high is None:
        room = min(room, 6)
    if room < max(1, len(part_low) + 1, len(part_high)):
        raise ValueError("a bound has too many digits")
    open_high = high is not None and high.exclusive
    options: list[Node] = []
    if whole_low == whole_high and high is not None:
        options += _with_fraction(whole_low, _tails(part_low, part_high, low, open_high, room))
    else:
        options += _with_fraction(whole_low, _tails(part_low, None, low, False, room))
        between = integers(whole_low + 1, _LARGEST // 10**room if high is None else whole_high - 1)
        if between is not None:
            any_part = concatenation(literal("."), repetition(DIGIT, 1, room))
            options.append(concatenation(between, optional(any_part)))
        if high is not None:
            whole = Bound(Decimal(0))
            options += _with_fraction(whole_high, _tails("", part_high, whole, open_high, room))
    return alternation(*options) if options else None


def _split(value: Decimal) -> tuple[int, str]:
    """The whole number, and the digits after the point without closing zeros."""
    whole, _, part = format(value, "f").partition(".")
    if len(whole) > DIGITS or len(part) > DIGITS:
        raise ValueError("a bound has too many digits")
    return int(whole), part.rstrip("0")


def _with_fraction(whole: int, tails: "_Tails") -> list[Node]:
    options: list[Node] = [literal(str(whole))] if tails.empty else []
    if tails.digits is not None:
        options.append(concatenation(literal(f"{whole}."), tails.digits))
    return options


@dataclass(frozen=True, slots=True)
class _Tails:
    """What may follow the digits so far: nothing, and one digit or more."""

    empty: bool
    digits: Node | None

    def node(self) -> Node | None:
        if self.digits is None:
            return EMPTY if self.empty else None
        return optional(self.digits) if self.empty else self.digits


def _tails(low: str, high: str | None, bound: Bound, open_high: bool, room: int) -> _Tails:
    """Digits after the point from `low` to `high` (None: without an end), at most `room`.

    `bound` says whether `low` itself is outside.
    """
    if not low and high is None and not (bound.exclusive and room):
        return _Tails(not bound.exclusive, repetition(DIGIT, 1, room) if room else None)
    if not low and high is None:
        return _Tails(False, concatenation(repetition(DIGIT, 0, room - 1), _LEADING))
    if high == "":
        return _Tails(not low and not bound.exclusive and not open_high, None)
    empty = not low and not bound.exclusive
    if not room:
        return _Tails(empty, None)
    least = int(low[0]) if low else 0
    most = 9 if high is None else int(high[0])
    options: list[Node] = []
    for digit, is_least, is_most in _cases(least, most, bounded=high is not None):
        rest = _tails(
            low[1:] if is_least else "",
            high[1:] if is_most and high is not None else None,
            bound if is_least else Bound(Decimal(0)),
            open_high,
            room - 1,
        ).node()
        if rest is not None:
            options.append(concatenation(digit, rest))
    return _Tails(empty, alternation(*options) if options else None)


def _cases(least: int, most: int, *, bounded: bool) -> list[tuple[Node, bool, bool]]:
    """Classes of first digits, and whether each is the lowest or the highest one."""
    if least > most:
        return []
    if bounded and least == most:
        return [(_digits(least, least), True, True)]
    last = most - 1 if bounded else most
    cases = [(_digits(least, least), True, False)]
    if least + 1 <= last:
        cases.append((_digits(least + 1, last), False, False))
    return [*cases, (_digits(most, most), False, True)] if bounded else cases
