"""Service level objectives, and the rates at which their error budgets burn.

In: objectives. Out: recording rules for each window, which alerts and dashboards read, and alerts
over a long and a short window each, after chapter 5 of Google's SRE workbook: a fast burn pages, a
slow one opens a ticket. No requests: no ratio, and nothing burns.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cluster.metrics.catalogue import generation, http
from cluster.production.promql import JOB, Queries, like, share

WINDOWS = ("5m", "30m", "1h", "6h", "3d")
# Fewer requests than this in the long window say nothing about a ratio.
FEWEST_REQUESTS = 50
_RULES = Queries(keep=(JOB,))


@dataclass(frozen=True, slots=True)
class Objectives:
    """Shares of requests that are good: `available` of all, `prompt` of streams, whose first token
    comes within `first_token_s`."""

    available: float = 0.999
    prompt: float = 0.99
    first_token_s: float = 2.5


@dataclass(frozen=True, slots=True)
class Slo:
    """An objective: `bad` and `all` make events a second over a window."""

    name: str
    title: str
    objective: float
    bad: Callable[[str], str]
    all: Callable[[str], str]

    def ratio(self, window: str) -> str:
        """The name under which the share of bad events in a window is recorded."""
        return f"{JOB}:mobula_{self.name}_errors:ratio_rate{window}"

    def events(self, window: str) -> str:
        """That of all events a second."""
        return f"{JOB}:mobula_{self.name}_events:rate{window}"

    def recordings(self) -> Iterator[tuple[str, str]]:
        """Names and expressions."""
        for window in WINDOWS:
            total = self.all(window)
            yield self.events(window), total
            yield self.ratio(window), share(self.bad(window), total)

    @property
    def budget(self) -> float:
        """The share of events that may be bad."""
        return 1 - self.objective


@dataclass(frozen=True, slots=True)
class Burn:
    """Alerts while the budget burns `factor` times as fast as it may, over both windows."""

    factor: float
    long: str
    short: str
    severity: str
    wait: str
    keep: str

    def expression(self, slo: Slo) -> str:
        limit = f"{self.factor:g} * {slo.budget:g}"
        seconds = {"h": 3600, "d": 86400}[self.long[-1]] * int(self.long[:-1])
        enough = f"{slo.events(self.long)} * {seconds} > {FEWEST_REQUESTS}"
        return (
            f"{slo.ratio(self.long)} > {limit} and {slo.ratio(self.short)} > {limit} and {enough}"
        )


# 2 % of a month's budget in an hour, 5 % in six, 10 % in three days.
BURNS = (
    Burn(14.4, "1h", "5m", "page", "2m", "10m"),
    Burn(6, "6h", "30m", "page", "15m", "30m"),
    Burn(1, "3d", "6h", "ticket", "1h", "6h"),
)


def slos(objectives: Objectives, queries: Queries = _RULES) -> tuple[Slo, Slo]:
    """Raises WrongQuery if `first_token_s` is no bound of the histogram's."""

    def failed(window: str) -> str:
        return queries.rate(http.OUTCOMES, window=window, outcome="server_error")

    def answered(window: str) -> str:
        """Neither those who left before nor those over their limits say how good the service is."""
        outcomes = like("ok|client_error|server_error")
        return queries.rate(http.OUTCOMES, window=window, outcome=outcomes)

    def first_tokens(window: str) -> str:
        return queries.observed(generation.TIME_TO_FIRST_TOKEN, window=window)

    def late(window: str) -> str:
        metric = generation.TIME_TO_FIRST_TOKEN
        in_time = queries.within(objectives.first_token_s, metric, window=window)
        return f"{first_tokens(window)} - {in_time}"

    return (
        Slo("availability", "Availability", objectives.available, failed, answered),
        Slo("first_token", "First token", objectives.prompt, late, first_tokens),
    )
