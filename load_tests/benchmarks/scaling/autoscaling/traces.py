"""Synthetic traffic, fitted to what is published of real traffic.

Flows in: a name and a seed. Flows out: arrivals in seconds, and the tokens of each request.

Chat and code have the rate's variability over 1, 10 and 60 s, the kind of arrivals and the
lengths that were computed from an hour of each of Azure's LLM inference traces of 2023
(Patel et al., "Splitwise", ISCA 2024): chat is nearly Poisson around a rate that drifts, code comes
in bursts on every time scale. Several independent sources of each kind are added up, so that a
fleet of several replicas is busy; that keeps the index of dispersion (variance to mean of counts)
at every scale. The other traces are chat with another course of the rate.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
HOUR = 3600.0
DAY = 24 * HOUR


@dataclass(frozen=True)
class Lengths:
    """Lognormal tokens of prompts and answers, independent, cut off at what a model takes."""

    prompt: tuple[float, float]
    answer: tuple[float, float]
    longest: tuple[int, int]


CHAT = Lengths((6.63, 0.99), (5.02, 0.86), (8192, 1024))
CODE = Lengths((7.00, 1.36), (2.79, 0.85), (8192, 512))


@dataclass(frozen=True)
class Trace:
    """`counted_from` seconds on, requests and replicas count; before that, policies learn."""

    name: str
    seed: int
    hours: float
    counted_from: float
    arrivals: Array
    prompts: Array
    answers: Array

    @property
    def length_s(self) -> float:
        return self.counted_from + self.hours * HOUR


def generate_trace(name: str, seed: int, hours: float | None = None) -> Trace:
    """One of NAMES; the same name and seed give the same trace. `hours` None: 2, and of the
    diurnal one the second of two days."""
    random = np.random.default_rng([seed, *name.encode()])
    if name == "diurnal":
        hours, before = hours or 24.0, DAY
    else:
        hours, before = hours or 2.0, 600.0
    seconds = round(before + hours * HOUR)
    rate, shape = _RATES[name](random, seconds)
    arrivals = generate_renewals(random, rate, shape)
    lengths = CODE if name == "code" else CHAT
    prompts, answers = (_tokens(random, len(arrivals), lengths, part) for part in (0, 1))
    return Trace(name, seed, hours, before, arrivals, prompts, answers)


def generate_renewals(random: np.random.Generator, rate: Array, shape: float) -> Array:
    """Arrivals of a gamma renewal process (shape 1: Poisson) whose clock runs at `rate`, given for
    each second."""
    clock = np.concatenate(([0.0], np.cumsum(rate)))
    expected = int(clock[-1] + 10 * math.sqrt(clock[-1] / shape) + 100)
    ticks = np.cumsum(random.gamma(shape, 1 / shape, expected))
    return np.interp(ticks[ticks < clock[-1]], clock, np.arange(len(clock), dtype=float))


def generate_drift(
    random: np.random.Generator, seconds: int, spread: float, memory_s: float
) -> Array:
    """A factor of mean 1 for each second: the exponential of an Ornstein-Uhlenbeck process, with
    coefficient of variation `spread`, forgetting in `memory_s`."""
    sigma2 = math.log(1 + spread * spread)
    keep = math.exp(-1 / memory_s)
    noise = random.normal(0.0, math.sqrt(sigma2 * (1 - keep * keep)), seconds)
    noise[0] = random.normal(0.0, math.sqrt(sigma2))
    from scipy.signal import lfilter  # type: ignore[import-untyped]

    return np.exp(lfilter([1.0], [1.0, -keep], noise) - sigma2 / 2)


def _chat(random: np.random.Generator, seconds: int) -> tuple[Array, float]:
    parts = [generate_drift(random, seconds, 0.25, 600.0) for _ in range(2)]
    return 5.53 * np.sum(parts, axis=0), 0.9


def _code(random: np.random.Generator, seconds: int) -> tuple[Array, float]:
    parts = ((0.70, 300.0), (1.20, 20.0), (0.85, 1.5))  # bursts of minutes, of seconds, of one
    rate = np.zeros(seconds)
    for _ in range(16):
        rate += 2.57 * np.prod([generate_drift(random, seconds, *part) for part in parts], axis=0)
    return rate, 0.9


def _diurnal(random: np.random.Generator, seconds: int) -> tuple[Array, float]:
    """Peak to mean 1.7, quiet at night, and another level each day."""
    at = np.arange(seconds)
    phase = 2 * np.pi * at / DAY
    day = 1 - 0.65 * np.cos(phase) + 0.1 * np.sin(2 * phase)
    level = np.repeat(random.normal(1.0, 0.1, seconds // int(DAY) + 1), int(DAY))[:seconds]
    return 10.0 * day * level * generate_drift(random, seconds, 0.1, 900.0), 0.9


def _spike(random: np.random.Generator, seconds: int) -> tuple[Array, float]:
    """About twice an hour three times the traffic for a few minutes, there within half a minute."""
    rate, _ = _chat(random, seconds)
    factor, at = np.ones(seconds), random.uniform(600, 1200)
    while at < seconds - 600:
        held = random.uniform(120, 360)
        up = np.interp(np.arange(seconds), [at, at + 30, at + held, at + held + 60], [0, 1, 1, 0])
        factor += 2.0 * up
        at += held + random.uniform(1200, 2400)
    return 0.6 * rate * factor, 0.9


def _step(random: np.random.Generator, seconds: int) -> tuple[Array, float]:
    """Another level every 15 to 30 minutes, from a quarter to one and a half times the mean."""
    levels, at = np.empty(seconds), 0.0
    while at < seconds:
        until = at + random.uniform(900, 1800)
        levels[int(at) : int(until)] = random.choice([0.25, 0.5, 1.0, 1.5])
        at = until
    return 12.0 * levels * generate_drift(random, seconds, 0.05, 900.0), 0.9


def _steady(random: np.random.Generator, seconds: int) -> tuple[Array, float]:
    return np.full(seconds, 12.0), 1.0


def _tokens(random: np.random.Generator, count: int, lengths: Lengths, part: int) -> Any:
    mu, sigma = (lengths.prompt, lengths.answer)[part]
    return np.clip(np.ceil(random.lognormal(mu, sigma, count)), 1, lengths.longest[part])


_RATES: dict[str, Callable[[np.random.Generator, int], tuple[Array, float]]] = {
    "chat": _chat,
    "code": _code,
    "diurnal": _diurnal,
    "spike": _spike,
    "step": _step,
    "steady": _steady,
}
NAMES = ("chat", "code", "diurnal", "spike", "step")
