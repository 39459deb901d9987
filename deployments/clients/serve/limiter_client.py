"""The client of the Limiter deployment: an `Authority` behind a Serve handle."""

import asyncio
import contextlib
from collections.abc import Sequence

from grpc import RpcError
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.contracts.limits import AuthorityUnavailable, ExchangeResult, LeaseRequest


class LimiterClient:
    """`timeout_s` bounds one exchange; one that is late or lost raises AuthorityUnavailable."""

    def __init__(self, handle: DeploymentHandle, timeout_s: float = 0.5) -> None:
        pickled = handle.options(request_serialization="pickle", response_serialization="pickle")
        self._exchange = pickled.exchange
        self._check_health = handle.check_health
        self._timeout_s = timeout_s

    async def warm_up(self, timeout_s: float = 30.0) -> None:
        """Connect before the first request; without the replica, degraded mode decides first."""
        with contextlib.suppress(TimeoutError, RayError, RayServeException):
            async with asyncio.timeout(timeout_s):
                await self._check_health.remote()

    async def close(self) -> None:
        """Serve owns the handle."""

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        response = self._exchange.remote(replica, epoch, ttl_s, tuple(requests))
        try:
            async with asyncio.timeout(self._timeout_s):
                return await response
        except TimeoutError:
            response.cancel()
            raise AuthorityUnavailable(f"no answer in {self._timeout_s:g} s") from None
        except (RayError, RayServeException, RpcError) as error:
            raise AuthorityUnavailable(type(error).__name__) from None
