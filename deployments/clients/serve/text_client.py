"""The workers' client of the text model: through the ingress, as the tenant that owns the job.

Flows in: a tenant, the id of the key or user that created the job, and a topic or prompt. Flows
out: the response, which passed that tenant's admission, limits and cache and is in its usage. A
credential is minted for each call (cluster/auth/delegation.py).
"""

from collections.abc import Mapping
from typing import Any

from cluster.auth.delegation import Delegation
from cluster.client import AsyncMobula

TIMEOUT_S = 30.0


class DelegatedTextClient:
    """`app` is the Serve application; `model` is the model that `ask` calls."""

    def __init__(self, delegation: Delegation, app: str, model: str) -> None:
        self._delegation = delegation
        self._app = app
        self._model = model

    async def caption(self, tenant: str, holder: str, topic: str, seed: int) -> Mapping[str, Any]:
        """The response of `captions`, one variant."""
        client = self._client(tenant, holder)
        response = await client.caption(topic, platform="instagram", variants=1, seed=seed)
        return response.raw

    async def ask(self, tenant: str, holder: str, prompt: str) -> str:
        client = self._client(tenant, holder)
        response = await client.chat(prompt, model=self._model, temperature=0, max_tokens=64)
        return response.text

    def _client(self, tenant: str, holder: str) -> AsyncMobula:
        credential = self._delegation.issue(tenant, holder)
        return AsyncMobula(credential, app=self._app, timeout_s=TIMEOUT_S, priority="batch")
