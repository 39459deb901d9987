"""Outlier ejection: excludes failing, slow or silent replicas, and probes them before re-admission.

In: outcomes of calls, and open calls. Out: the ejected replicas, and those that may get a probe
request. Pure: time is an argument, in seconds of a monotonic clock. outliers.py does the detection.

As in Envoy's outlier detection, a limited share of replicas is ejected, for longer each time in a
row; unlike there, an ejected replica gets one probe request at a time before it is re-admitted.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from cluster.balancing.outliers import OutlierCandidate, baseline, outliers
from cluster.balancing.replica_state import Dispatch
from cluster.balancing.spec import EjectionSpec
from cluster.balancing.window import OutcomeWindow

OpenCalls = Mapping[str, Iterable[Dispatch]]

PING = ""  # the call of a trial that is only a liveness ping


@dataclass(slots=True)
class EjectionRecord:
    """Ejection state of one replica. `until` None: not ejected. `trial`: the probe request."""

    window: OutcomeWindow = field(default_factory=OutcomeWindow)
    last_alive: float = -math.inf
    until: float | None = None
    because: str = ""
    ejection_s: float = 0.0
    readmitted_at: float = -math.inf
    trial: str | None = None
    trial_deadline: float = 0.0
    needs_ping: bool = False  # a successful ping is required before a trial

    def due(self, now: float) -> bool:
        """Whether the ejection time is over and no trial is running."""
        if self.until is None or now < self.until:
            return False
        return self.trial is None or now >= self.trial_deadline


class OutlierEjection:
    """Not thread-safe."""

    def __init__(self, spec: EjectionSpec, *, pings: bool = False) -> None:
        """`pings`: the caller pings the replicas of `to_ping` and reports to `ponged`; else a
        silent replica is probed with a request as well."""
        self._spec = spec
        self._pings = pings
        self._records: dict[str, EjectionRecord] = {}
        self._baseline: float | None = None

    @property
    def most_out(self) -> int:
        """Maximum number of ejected replicas; 0 for a single replica."""
        return int(self._spec.share * len(self._records)) if self._spec.enabled else 0

    def out(self) -> dict[str, EjectionRecord]:
        return {name: record for name, record in self._records.items() if record.until is not None}

    def members(self, names: Collection[str]) -> None:
        """Sets the running replicas. If too many are ejected, the earliest are re-admitted."""
        for name in self._records.keys() - set(names):
            del self._records[name]
        for name in names:
            self._records.setdefault(name, EjectionRecord())
        waiting = sorted(self.out().values(), key=lambda record: record.until or 0.0)
        for record in waiting[: max(0, len(waiting) - self.most_out)]:
            record.until = None

    def mark_alive(self, name: str, now: float) -> None:
        """Records a sign of life."""
        record = self._records.get(name)
        if record is not None:
            record.last_alive = now

    def ended(self, name: str, call: str, seconds: float | None, now: float) -> None:
        """Records a call that ended after `seconds`; None: it failed. Of an ejected replica only
        the trial counts."""
        record = self._records.get(name)
        if record is None:
            return
        if record.until is None:
            record.window.add(seconds, now)
        elif record.trial == call:
            slow = seconds is not None and record.because == "slow" and self._slow(seconds)
            if seconds is None or slow:
                self._eject(record, record.because, now)
            else:
                _readmit(record, now)

    def gave_up(self, name: str, call: str) -> None:
        """Discards a trial whose call was cancelled."""
        record = self._records.get(name)
        if record is not None and record.trial == call:
            record.trial = None

    def probe(self, name: str, call: str, now: float) -> bool:
        """Whether this call may probe an ejected replica; starts its trial."""
        record = self._records[name]
        if record.needs_ping or not record.due(now):
            return False
        record.trial, record.trial_deadline = call, now + self._spec.longest_s
        return True

    def to_ping(self, now: float, timeout_s: float) -> list[str]:
        """Replicas that the caller must ping within `timeout_s`."""
        due = [name for name, record in self.out().items() if record.needs_ping and record.due(now)]
        for name in due:
            record = self._records[name]
            record.trial, record.trial_deadline = PING, now + timeout_s
        return due

    def ponged(self, name: str, answered: bool, now: float) -> None:
        record = self._records.get(name)
        if record is None or record.until is None or record.trial != PING:
            return
        if answered:
            record.trial, record.needs_ping = None, False
        else:
            self._eject(record, record.because, now)

    def evaluate(self, open_calls: OpenCalls, now: float) -> None:
        """Ejects outliers, up to the allowed share."""
        if not self._spec.enabled:
            return
        for record in self._records.values():
            record.window.prune(now - self._spec.window_s)
        candidates = self._candidates(open_calls)
        self._baseline = baseline(self._spec, candidates)
        for name, record in self.out().items():
            self._judge_trial(record, open_calls.get(name, ()), now)
        available = self.most_out - len(self.out())
        if available > 0:
            for name, because in outliers(self._spec, candidates, now)[:available]:
                self._eject(self._records[name], because, now)

    def _candidates(self, open_calls: OpenCalls) -> list[OutlierCandidate]:
        return [
            OutlierCandidate(name, record.window, record.last_alive, open_calls.get(name, ()))
            for name, record in self._records.items()
            if record.until is None
        ]

    def _judge_trial(self, record: EjectionRecord, calls: Iterable[Dispatch], now: float) -> None:
        if record.trial is None or record.trial == PING:
            return
        call = next((open_call for open_call in calls if open_call.call == record.trial), None)
        if call is None:
            record.trial = None
        elif not call.alive and now - call.sent_at >= self._spec.silence_s:
            self._eject(record, "silent", now)
        elif call.alive and record.because == "silent":
            _readmit(record, now)
        elif record.because == "slow" and not call.over and self._slow(now - call.sent_at):
            self._eject(record, "slow", now)

    def _slow(self, seconds: float) -> bool:
        baseline_log = self._baseline
        return baseline_log is not None and seconds > self._spec.slowness * math.exp(baseline_log)

    def _eject(self, record: EjectionRecord, because: str, now: float) -> None:
        spec = self._spec
        in_a_row = (
            record.until is not None
            or now - record.readmitted_at <= record.ejection_s + spec.window_s
        )
        record.ejection_s = min(spec.longest_s, record.ejection_s * 2) if in_a_row else spec.base_s
        record.until, record.because, record.trial = now + record.ejection_s, because, None
        record.needs_ping = self._pings and because == "silent"
        record.window.clear()


def _readmit(record: EjectionRecord, now: float) -> None:
    record.until, record.because, record.trial = None, "", None
    record.readmitted_at = record.last_alive = now
