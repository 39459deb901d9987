"""A fault over time, in promtool's notation, and when its alert has to fire, cool down and end.

A fault lasts as long as it has to; before it and after it all is well. There is one value every
`step_s`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.production.alerts.rule import AlertRule, seconds

BEGINS_S = 3600


@dataclass(frozen=True)
class Course:
    """Of a series: `good` and `bad` are its values, or of a counter what it grows by in a second.
    None: it is not there. During the fault it may fall by an amount each second."""

    good: float | None
    bad: float | None
    is_counter: bool = False
    falls_by: float = 0.0

    def values(self, step_s: int, begins_s: int, lasts_s: int, after_s: int) -> str:
        total, parts = 0.0, []
        phases = ((self.good, begins_s), (self.bad, lasts_s), (self.good, after_s))
        for number, (value, length_s) in enumerate(phases):
            steps = length_s // step_s
            if self.falls_by and number == 1 and value is not None:
                parts.append(f"{value:.6f}{-self.falls_by * step_s:+.6f}x{steps - 1}")
            elif value is None:
                parts.append(f"_x{steps}")
            elif self.is_counter:
                parts.append(f"{total:.6f}+{value * step_s:.6f}x{steps - 1}")
                total += value * step_s * steps
            else:
                parts.append(f"{value:.6f}+0x{steps - 1}")
        return " ".join(parts)


def counter(good: float, bad: float) -> Course:
    return Course(good, bad, is_counter=True)


def gauge(good: float | None, bad: float | None) -> Course:
    return Course(good, bad)


@dataclass(frozen=True)
class Scenario:
    """`window_s` is the longest time over which the rule looks back. `labels` are those that the
    alert has beside its rule's own. `begins_s`: how long all is well before.
    `settles_s`: how long after the fault the rule still finds it; None: for its window."""

    rule: str
    series: Mapping[str, Course]
    description: str
    labels: Mapping[str, str] = field(default_factory=dict)
    window_s: int = 300
    summary: str = ""
    begins_s: int = BEGINS_S
    lasts_s: int = 0
    step_s: int = 15
    settles_s: int | None = None

    def lasts(self, rule: AlertRule) -> int:
        return self.lasts_s or self._whole(self.window_s + seconds(rule.wait) + 300)

    def fires_s(self, rule: AlertRule) -> int:
        """When it fires for certain: shortly before the fault ends."""
        return self.begins_s + self.lasts(rule) - self.step_s

    def cools_s(self, rule: AlertRule) -> int:
        """When the fault has ended, but its cooldown has not."""
        settles_s = self.window_s if self.settles_s is None else self.settles_s
        return self.begins_s + self.lasts(rule) + settles_s + 2 * self.step_s

    def ended_s(self, rule: AlertRule) -> int:
        return self.cools_s(rule) + seconds(rule.keep) + 2 * self.step_s

    def input_series(self, rule: AlertRule) -> list[dict[str, str]]:
        after = self.ended_s(rule) - self.begins_s - self.lasts(rule) + 300
        return [
            {
                "series": name,
                "values": course.values(
                    self.step_s, self.begins_s, self.lasts(rule), self._whole(after)
                ),
            }
            for name, course in self.series.items()
        ]

    def _whole(self, length_s: float) -> int:
        return int(-(-length_s // self.step_s) * self.step_s)
