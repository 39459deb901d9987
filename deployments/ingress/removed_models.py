"""Which models were taken out of the cluster while this replica still knows them.

A roll that removes a model deletes it at once, and ingress replicas of the old version go a little
later. Until then they are as ready as they will ever be. Knows no Ray.
"""

from collections.abc import Collection, Mapping

from deployments.contracts.scaling import DeploymentStatusSource


class RemovedModels:
    """`deployments` names the deployment of each model id."""

    def __init__(self, overseer: DeploymentStatusSource, deployments: Mapping[str, str]) -> None:
        self._overseer = overseer
        self._deployments = deployments

    async def filter_removed(self, models: Collection[str]) -> frozenset[str]:
        """None where Serve does not say, or says of no deployment at all: then it is building."""
        sight = await self._overseer.status()
        if sight is None or not sight.deployments:
            return frozenset()
        names = {id: self._deployments.get(id) for id in models}
        return frozenset(id for id, name in names.items() if name not in sight.deployments)
