"""Opens links through Serve: a streaming call to the very replica, as long as the link lives.

In: the name of a replica. Out: its LinkOffer, and the end of the call. Nobody without Ray's
credential gets a link.
"""

from contextlib import suppress

from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from cluster.resilience.ray_errors import REMOTE_ERRORS, from_ray
from cluster.runtime.problems import ModelFailed, Problem
from deployments.clients.serve.handle_caller import PICKLED
from deployments.contracts.links import LinkOffer, OpenLinkRequest


class OpenLinkCall:
    """One call of `open_link`; implements `LinkOpening` (deployments/clients/link/pool.py)."""

    def __init__(self, model: str, response: DeploymentResponseGenerator[LinkOffer]) -> None:
        self._model = model
        self._response = response

    async def offer(self) -> LinkOffer:
        try:
            offer = await anext(self._response, None)
        except REMOTE_ERRORS as error:
            raise from_ray(error, self._model) from None
        if isinstance(offer, Problem):
            raise offer
        if not isinstance(offer, LinkOffer):
            raise ModelFailed(self._model, "The replica offers no link.")
        return offer

    async def ended(self) -> None:
        with suppress(*REMOTE_ERRORS):
            async for _ in self._response:
                pass

    def cancel(self) -> None:
        self._response.cancel()


class LinkOpener:
    """Opens links to the replicas of one deployment."""

    def __init__(self, model: str, handle: DeploymentHandle) -> None:
        """`model` is named in problems."""
        self._model = model
        self._open = handle.options(stream=True, **PICKLED).open_link

    def __call__(self, replica: str) -> OpenLinkCall:
        return OpenLinkCall(self._model, self._open.remote(OpenLinkRequest(replica)))
