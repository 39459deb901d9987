"""Which replicas are left out, and when they may show that they are well again.

Flows in: how calls ended, and what is still open. Flows out: who is out, and who may have one
request. Pure: time is an argument, in seconds on one monotonic clock. Who stands out is judged in
outliers.py.

As in Envoy's outlier detection at most a share of the replicas is out, and longer each time in a
row; other than there, one request at a time goes to a replica that may come back.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from cluster.balancing.outliers import OutlierCandidate, baseline, outliers
from cluster.balancing.replica_state import Dispatch
from cluster.balancing.spec import EjectionSpec
from cluster.balancing.window import OutcomeWindow

OpenCalls = Mapping[str, Iterable[Dispatch]]

PING = ""  # stands for a call where the trial is a sign of life only


@dataclass(slots=True)
class EjectionRecord:
    """One replica. `until` None: it is in. `trial`: the call that it may show itself with."""

    window: OutcomeWindow = field(default_factory=OutcomeWindow)
    last_sign: float = -math.inf
    until: float | None = None
    because: str = ""
    out_s: float = 0.0
    back_at: float = -math.inf
    trial: str | None = None
    trial_ends: float = 0.0
    mute: bool = False  # a sign of life has to come before a trial

    def due(self, now: float) -> bool:
        """Whether it is out, its time is up and nothing is being tried."""
        if self.until is None or now < self.until:
            return False
        return self.trial is None or now >= self.trial_ends


class OutlierEjection:
    """Not thread-safe."""

    def __init__(self, spec: EjectionSpec, *, pings: bool = False) -> None:
        """`pings`: somebody asks the replicas of `to_ping` for a sign of life and tells `ponged`;
        else a silent replica is tried with a request as well."""
        self._spec = spec
        self._pings = pings
        self._records: dict[str, EjectionRecord] = {}
        self._usual: float | None = None

    @property
    def most_out(self) -> int:
        """How many may be out at once; of a single replica, none."""
        return int(self._spec.share * len(self._records)) if self._spec.enabled else 0

    def out(self) -> dict[str, EjectionRecord]:
        return {name: record for name, record in self._records.items() if record.until is not None}

    def members(self, names: Collection[str]) -> None:
        """Who is there now. Where more are out than may be, the first to come back come now."""
        for name in self._records.keys() - set(names):
            del self._records[name]
        for name in names:
            self._records.setdefault(name, EjectionRecord())
        waiting = sorted(self.out().values(), key=lambda record: record.until or 0.0)
        for record in waiting[: max(0, len(waiting) - self.most_out)]:
            record.until = None

    def mark_alive(self, name: str, now: float) -> None:
        """Any sign of life."""
        record = self._records.get(name)
        if record is not None:
            record.last_sign = now

    def ended(self, name: str, call: str, seconds: float | None, now: float) -> None:
        """A call ended after `seconds`; None: it failed. Of a replica that is out, only the
        trial counts."""
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
                _come_back(record, now)

    def gave_up(self, name: str, call: str) -> None:
        """Nobody waits for that call any more: it shows nothing."""
        record = self._records.get(name)
        if record is not None and record.trial == call:
            record.trial = None

    def probe(self, name: str, call: str, now: float) -> bool:
        """Whether this call may go to an ejected replica to see how it does."""
        record = self._records[name]
        if record.mute or not record.due(now):
            return False
        record.trial, record.trial_ends = call, now + self._spec.longest_s
        return True

    def to_ping(self, now: float, timeout_s: float) -> list[str]:
        """Who is to be asked for a sign of life, by the caller, within that time."""
        found = [name for name, record in self.out().items() if record.mute and record.due(now)]
        for name in found:
            record = self._records[name]
            record.trial, record.trial_ends = PING, now + timeout_s
        return found

    def ponged(self, name: str, answered: bool, now: float) -> None:
        record = self._records.get(name)
        if record is None or record.until is None or record.trial != PING:
            return
        if answered:
            record.trial, record.mute = None, False
        else:
            self._eject(record, record.because, now)

    def evaluate(self, open_calls: OpenCalls, now: float) -> None:
        """Eject whoever stands out, as far as the share allows."""
        if not self._spec.enabled:
            return
        for record in self._records.values():
            record.window.prune(now - self._spec.window_s)
        suspects = self._suspects(open_calls)
        self._usual = baseline(self._spec, suspects)
        for name, record in self.out().items():
            self._judge_trial(record, open_calls.get(name, ()), now)
        room = self.most_out - len(self.out())
        if room > 0:
            for name, because in outliers(self._spec, suspects, now)[:room]:
                self._eject(self._records[name], because, now)

    def _suspects(self, open_calls: OpenCalls) -> list[OutlierCandidate]:
        return [
            OutlierCandidate(name, record.window, record.last_sign, open_calls.get(name, ()))
            for name, record in self._records.items()
            if record.until is None
        ]

    def _judge_trial(self, record: EjectionRecord, calls: Iterable[Dispatch], now: float) -> None:
        if record.trial is None or record.trial == PING:
            return
        call = next((each for each in calls if each.call == record.trial), None)
        if call is None:
            record.trial = None
        elif not call.alive and now - call.sent_at >= self._spec.silence_s:
            self._eject(record, "silent", now)
        elif call.alive and record.because == "silent":
            _come_back(record, now)
        elif record.because == "slow" and not call.over and self._slow(now - call.sent_at):
            self._eject(record, "slow", now)

    def _slow(self, seconds: float) -> bool:
        usual = self._usual
        return usual is not None and seconds > self._spec.slowness * math.exp(usual)

    def _eject(self, record: EjectionRecord, because: str, now: float) -> None:
        spec = self._spec
        in_a_row = record.until is not None or now - record.back_at <= record.out_s + spec.window_s
        record.out_s = min(spec.longest_s, record.out_s * 2) if in_a_row else spec.base_s
        record.until, record.because, record.trial = now + record.out_s, because, None
        record.mute = self._pings and because == "silent"
        record.window.clear()


def _come_back(record: EjectionRecord, now: float) -> None:
    record.until, record.because, record.trial = None, "", None
    record.back_at = record.last_sign = now
