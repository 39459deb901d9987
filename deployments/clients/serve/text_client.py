"""The text model as workers ask for it: through the ingress, as the tenant whose job it is.

Flows in: a tenant, the id of the key or user that asked for the job, and what to write about. Flows
out: the answer, which passed that tenant's gate, limits and cache and is in its usage. The
credential is minted for each call (cluster/auth/delegation.py).
"""

from collections.abc import Mapping
from typing import Any

from cluster.auth.delegation import Delegation
from cluster.client import AsyncMobula

TIMEOUT_S = 30.0


class DelegatedTextClient:
    """`app` is the Serve application; `model` answers questions."""

    def __init__(self, delegation: Delegation, app: str, model: str) -> None:
        self._delegation = delegation
        self._app = app
        self._model = model

    async def caption(self, tenant: str, holder: str, topic: str, seed: int) -> Mapping[str, Any]:
        """The answer of `captions`, one variant."""
        client = self._as(tenant, holder)
        answer = await client.caption(topic, platform="instagram", variants=1, seed=seed)
        return answer.raw

    async def ask(self, tenant: str, holder: str, prompt: str) -> str:
        client = self._as(tenant, holder)
        answer = await client.chat(prompt, model=self._model, temperature=0, max_tokens=64)
        return answer.text

    def _as(self, tenant: str, holder: str) -> AsyncMobula:
        credential = self._delegation.issue(tenant, holder)
        return AsyncMobula(credential, app=self._app, timeout_s=TIMEOUT_S, priority="batch")
