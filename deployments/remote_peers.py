"""All ingress replicas of this application, asked at once for figures. For reports, not requests.

In: a method's name and arguments. Out: one answer for each replica that gave one in time.
"""

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
            asked = self._handle.broadcast(method, *arguments)
            answers = await asked.results_async(timeout_s=self._timeout_s, return_exceptions=True)
        except (RayError, RayServeException, TimeoutError) as error:
            logger.warning("the other ingress replicas do not answer: %s", error)
            return []
        return [answer for answer in answers if not isinstance(answer, BaseException)]
