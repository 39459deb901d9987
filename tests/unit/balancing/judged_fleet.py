"""Replicas whose calls end as a test tells, on a clock of their own."""

from collections.abc import Mapping, Sequence
from itertools import count

from cluster.balancing.ejection import OutlierEjection
from cluster.balancing.replica_state import Dispatch, ReplicaState
from cluster.balancing.spec import EjectionSpec

SPEC = EjectionSpec()
CALLS = (f"call-{number}" for number in count())


class JudgedFleet:
    """Of r0, r1, ..."""

    def __init__(self, size: int, spec: EjectionSpec = SPEC, *, pings: bool = False) -> None:
        self.now = 1000.0
        self.seats = {
            f"r{number}": ReplicaState(f"r{number}", "", local=False) for number in range(size)
        }
        self.ejection = OutlierEjection(spec, pings=pings)
        self.ejection.members(self.seats)

    @property
    def out(self) -> dict[str, str]:
        """Who is out, and why."""
        return {name: record.because for name, record in self.ejection.out().items()}

    def end(self, name: str, seconds: float | None, times: int = 1) -> None:
        for _ in range(times):
            self.ejection.mark_alive(name, self.now)
            self.ejection.ended(name, next(CALLS), seconds, self.now)

    def send(self, name: str, call: str = "", *, alive: bool = False) -> Dispatch:
        call = call or next(CALLS)
        placement = Dispatch(call, self.seats[name], 1, 1, self.now, alive=alive)
        self.seats[name].open[call] = placement
        return placement

    def judge(self, after_s: float = 0.0) -> Mapping[str, str]:
        self.now += after_s
        open_calls = {name: tuple(seat.open.values()) for name, seat in self.seats.items()}
        self.ejection.evaluate(open_calls, self.now)
        return self.out

    def usual(self, names: Sequence[str], seconds: float = 0.1, times: int = 20) -> None:
        for name in names:
            self.end(name, seconds, times)

    def ejected(self, because: str = "failing") -> "JudgedFleet":
        """With r0 out, ejected just now."""
        self.usual(["r1", "r2"])
        if because == "silent":
            self.send("r0")
            self.usual(["r1", "r2"])
            assert self.judge(after_s=SPEC.silence_s) == {"r0": because}
            self.seats["r0"].open.clear()
        else:
            self.end("r0", None if because == "failing" else 1.0, 20)
            assert self.judge() == {"r0": because}
        return self
