"""Whether the response to a similar request may be served, under a guaranteed error bound.

In: how similar a request was to a remembered one, and whether its response was the same. Out: serve
or not. Knows no vectors, no texts and no responses.

After vCache (Schroeder et al., "vCache: Verified Semantic Prompt Caching", ICLR 2026, arXiv
2502.03771): each remembered request has a curve of its own, P(right | similarity s) = 1 / (1 +
exp(-slope (s - threshold))), learned from responses that were computed although a cached one was at
hand. Three things are different. vCache bounds errors over all requests and serves at random; here
the bound is on the served ones, so every single response must meet it. vCache takes a confidence
bound of the likeliest curve; here all curves are weighted by their posterior (what its bound
bounds), and the prior is learned from the tenant's other requests (empirical Bayes), so that a new
one does not start from nothing. And since curves may not be logistic at all, a test that assumes no
curve checks them: `ThresholdEstimator`.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.float64]

_THRESHOLDS = np.linspace(0.55, 1.10, 23)
_SLOPES = np.geomspace(10.0, 400.0, 8)
_THRESHOLD, _SLOPE = (grid.ravel() for grid in np.meshgrid(_THRESHOLDS, _SLOPES))
_PRIOR_CURVES = 4.0  # how many learned curves the flat prior weighs as much as
_REMEMBERED_CURVES = 512
_REFRESH = 32  # observations
_NO_DATA: Cells = np.zeros(_THRESHOLD.size)
_NO_DATA.setflags(write=False)


@dataclass(slots=True)
class SimilarityCalibration:
    """What was learned from one remembered request: the log likelihood of each curve of a grid."""

    fit: NDArray[np.float32] = field(default_factory=lambda: _NO_DATA.astype(np.float32))
    seen: int = 0


class SimilarityCalibrations:
    """The curves of one tenant, and their common prior."""

    def __init__(self) -> None:
        self._prior = np.full(_THRESHOLD.size, -math.log(_THRESHOLD.size))
        self._recent: OrderedDict[int, SimilarityCalibration] = OrderedDict()
        self._observations = 0

    def wrong(self, curve: SimilarityCalibration, similarity: float) -> float:
        """The probability that the remembered response is wrong at this similarity."""
        return float(_posterior(self._prior + curve.fit) @ _wrong(similarity))

    def learn(self, curve: SimilarityCalibration, similarity: float, same: bool) -> None:
        """Learn from one outcome."""
        wrong = _wrong(similarity)
        curve.fit += np.log(1.0 - wrong if same else wrong).astype(np.float32)
        curve.seen += 1
        self._recent[id(curve)] = curve
        self._recent.move_to_end(id(curve))
        if len(self._recent) > _REMEMBERED_CURVES:
            self._recent.popitem(last=False)
        self._observations += 1
        if self._observations % _REFRESH == 0:
            self._refresh()

    def _refresh(self) -> None:
        """One step of expectation maximisation for the prior over the curves seen lately."""
        fits = np.stack([curve.fit for curve in self._recent.values()]) + self._prior
        weights = np.exp(fits - fits.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        total = weights.sum(axis=0) + _PRIOR_CURVES / _THRESHOLD.size
        self._prior = np.log(total / total.sum())


class ThresholdEstimator:
    """Serves responses only while a test shows that at most `bound` of them are wrong.

    For each cut-off on the curves' own probability of being wrong it runs a test by betting
    (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS-B
    2024): a stake that in expectation cannot grow while the error rate is `bound` or more, whatever
    the outcomes depend on. So the chance that it ever passes 1 / `risk` is at most `risk` (Ville's
    inequality), at whatever moment one looks. Cut-offs are tested from the strictest on, each only
    after the one before, which keeps `risk` for all of them together.

    Stakes are capped a little above what is needed, so that traffic that changes for the
    worse is detected soon: three errors in a row undo hundreds of right responses. Without an error
    it takes about 3 / `bound` outcomes to begin.
    """

    def __init__(self, bound: float, risk: float = 0.05) -> None:
        if not 0.0 < bound < 1.0:
            raise ValueError(f"bound is {bound}; it is a probability")
        self.bound = bound
        self._cuts = [bound / 8, bound / 4, bound / 2, bound]
        rates = np.array([0.0, bound / 8, bound / 4, bound / 2])
        self._if_same = np.log((1.0 - rates) / (1.0 - bound))
        with np.errstate(divide="ignore"):
            self._if_wrong = np.log(rates / bound)
        self._needed = math.log(1.0 / risk)
        self._most = self._needed + math.log(1.0 / risk)
        self._stakes = np.zeros((len(self._cuts), len(rates)))

    def learn(self, wrong: float, same: bool) -> None:
        """One outcome, and the probability of being wrong that was predicted for it."""
        for row, cut in enumerate(self._cuts):
            if wrong <= cut:
                moved = self._stakes[row] + (self._if_same if same else self._if_wrong)
                self._stakes[row] = np.minimum(moved, self._most)

    @property
    def threshold(self) -> float:
        """The largest predicted probability of being wrong that may be served; 0: nothing may."""
        allowed = 0.0
        for cut, stakes in zip(self._cuts, self._stakes, strict=True):
            if _log_mean(stakes) < self._needed:
                break
            allowed = cut
        return allowed


def upper_bound(errors: int, checks: int, confidence: float = 0.95) -> float:
    """The largest error rate under which `errors` or fewer in `checks` is no rarer than 1 -
    `confidence` (Clopper and Pearson, 1934, one-sided); 1.0 without checks."""
    if errors >= checks:
        return 1.0
    low, high = errors / checks, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if _at_most(errors, checks, middle) > 1 - confidence else (low, middle)
        )
    return high


def _at_most(errors: int, checks: int, rate: float) -> float:
    """Probability of `errors` or fewer in `checks`."""
    if rate >= 1.0:
        return 0.0
    log_of = [
        math.lgamma(checks + 1)
        - math.lgamma(k + 1)
        - math.lgamma(checks - k + 1)
        + k * math.log(rate)
        + (checks - k) * math.log1p(-rate)
        for k in range(errors + 1)
    ]
    return math.fsum(math.exp(value) for value in log_of)


def _wrong(similarity: float) -> Cells:
    """P(wrong) under every curve of the grid, clipped a little away from 0 and 1."""
    odds = np.exp(np.clip(_SLOPE * (similarity - _THRESHOLD), -30.0, 30.0))
    return np.clip(1.0 / (1.0 + odds), 1e-4, 1.0 - 1e-4)


def _posterior(log_weights: Cells) -> Cells:
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def _log_mean(values: Cells) -> float:
    top = float(values.max())
    return top + math.log(float(np.exp(values - top).mean()))
