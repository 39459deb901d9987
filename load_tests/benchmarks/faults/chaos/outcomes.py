"""How a request ended, as its client saw it. Every request ends in exactly one way."""

from dataclasses import dataclass
from enum import StrEnum


class RequestOutcome(StrEnum):
    """`whole` is the expected response; `problem` a typed refusal before its first byte,
    `in-band` one in the middle of a stream. The others are faults of their own.
    """

    WHOLE = "whole"
    PROBLEM = "problem"
    IN_BAND = "in-band"
    WRONG = "wrong"  # a response that was not expected
    UNTYPED = "untyped"  # an error that is not one of our problems
    CUT = "cut"  # the connection ended within the answer
    UNANSWERED = "unanswered"  # the connection ended before the answer
    UNREACHABLE = "unreachable"  # no connection came about
    SILENT = "silent"  # nothing came within the client's patience


TYPED = frozenset({RequestOutcome.WHOLE, RequestOutcome.PROBLEM, RequestOutcome.IN_BAND})


@dataclass(frozen=True, slots=True)
class RequestResult:
    """One request: seconds since the run's start when it was sent, and until its end.

    `why` is a problem's slug or what the client can say. `tokens` are those that the answer says
    were used (of a broken stream: those that came, which are refunded). `from_cache`: the
    cache answered, and nothing is charged.
    """

    model: str
    stream: bool
    at: float
    took: float
    ending: RequestOutcome
    status: int = 0
    why: str = ""
    tokens: int = 0
    from_cache: bool = False

    @property
    def end(self) -> float:
        return self.at + self.took
