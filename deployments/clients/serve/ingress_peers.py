"""All ingress replicas of this application, asked at once for figures. For reports, not requests.

In: a method's name and arguments. Out: one answer for each replica that gave one in time.
"""

import asyncio
import logging
from typing import Any

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

logger = logging.getLogger("mobula.ingress")


class RemotePeers:
    """`timeout_s` is for all of them together. The handle is made once, when it is first needed."""

    def __init__(self, timeout_s: float = 2.0) -> None:
        self._timeout_s = timeout_s
        self._handle: DeploymentHandle | None = None

    async def ask(self, method: str, *arguments: Any) -> list[Any]:
        """Empty where the replicas cannot be asked."""
        try:
            if self._handle is None:
                here = serve.get_replica_context()
                self._handle = serve.get_deployment_handle(here.deployment, here.app_name)
            return await collect_answers(self._handle, self._timeout_s, method, *arguments)
        except (RayError, RayServeException, TimeoutError) as error:
            logger.warning("the other ingress replicas do not answer: %s", error)
            return []


async def collect_answers(
    handle: DeploymentHandle, timeout_s: float, method: str, *arguments: Any
) -> list[Any]:
    """What `method` of every replica returns, of those that answer in time.

    Raises what Ray raises where none can be asked. Serve's own `results_async` gives nothing at all
    if one replica is late, and a replica that hangs is when somebody asks.
    """
    asked = handle.broadcast(method, *arguments)
    async with asyncio.timeout(timeout_s):
        sent = await asked._fetch_replica_results_async()
    asking = [asyncio.ensure_future(each.get_async()) for each in sent]
    if not asking:
        return []
    done, late = await asyncio.wait(asking, timeout=timeout_s)
    for each in late:
        each.cancel()
    return [each.result() for each in done if each.exception() is None]
