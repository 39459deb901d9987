"""Counts replicas that ended although nobody had asked them to, by what Serve's controller says.

In: the controller's snapshots, which the checks of health ask for every few seconds. Out: a counter
for each deployment. A replica that ends before a scrape has seen it is counted as well: the
controller remembers those that ended last.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cluster.metrics.catalogue.scaling import DIED
from cluster.metrics.series import Counter, Reading
from deployments.contracts.generation import ModelLoad
from deployments.contracts.scaling import DeploymentState, DeploymentStatusSource, ServeSnapshot

# While a deployment is changed or loses replicas by its policy, replicas end on purpose. Serve goes
# back to HEALTHY when the last of them has stopped, and to UNHEALTHY if one fails meanwhile.
_ENDS_REPLICAS = ("UPDATING", "DOWNSCALING")


@dataclass(frozen=True, slots=True)
class _Seen:
    """A deployment in the last snapshot. `judged` are replicas whose end was counted or expected;
    `deployed_at` is when the application was deployed."""

    state: DeploymentState
    judged: frozenset[str]
    deployed_at: float


class ReplicaDeaths:
    """Passes queries on to `source`, and compares each new snapshot with the one before. Implements
    `DeploymentStatusSource`."""

    def __init__(self, source: DeploymentStatusSource) -> None:
        self._source = source
        self._counts = Counter(DIED)
        self._seen: dict[str, _Seen] = {}
        self._compared: ServeSnapshot | None = None

    @property
    def last_status(self) -> ServeSnapshot | None:
        return self._source.last_status

    async def status(self) -> ServeSnapshot | None:
        snapshot = await self._source.status()
        if snapshot is not None and snapshot is not self._compared:
            self._compared = snapshot
            self._compare(snapshot)
        return snapshot

    async def loads(self, deployments: Sequence[str]) -> Mapping[str, Sequence[ModelLoad]]:
        return await self._source.loads(deployments)

    async def count_answers(self, deployment: str) -> int:
        return await self._source.count_answers(deployment)

    def read(self) -> Iterator[Reading]:
        """Deaths since this process has seen the deployment first."""
        return self._counts.read()

    def _compare(self, snapshot: ServeSnapshot) -> None:
        seen, self._seen = self._seen, {}
        for name, state in snapshot.deployments.items():
            before = seen.get(name)
            ending = _ending(state, before)
            if before is None:
                died = 0
            else:
                new = ending - before.judged
                died = 0 if _is_planned(state, before, snapshot.deployed_at) else len(new)
            self._counts.add((name,), died)
            moving = {replica.replica for replica in state.replicas if replica.is_moving}
            self._seen[name] = _Seen(state, frozenset(ending | moving), snapshot.deployed_at)


def _ending(state: DeploymentState, before: _Seen | None) -> set[str]:
    """Replicas that are stopping or gone, as long as anybody may name them again."""
    stopping = {each.replica for each in state.replicas if each.state == "stopping"}
    ending = stopping | set(state.ended)
    if before is not None:
        live = {each.replica for each in state.replicas}
        ending |= {each.replica for each in before.state.replicas} - live
    return ending


def _is_planned(state: DeploymentState, before: _Seen, deployed_at: float) -> bool:
    """Whether replicas that ended between two snapshots were to end."""
    if deployed_at != before.deployed_at or state.target < before.state.target:
        return True
    return state.status in _ENDS_REPLICAS or before.state.status in _ENDS_REPLICAS
