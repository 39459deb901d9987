"""The one caller of the Limiter deployment's handle: an Authority on the far side of a hop."""

import asyncio
import contextlib
from collections.abc import Sequence

from grpc import RpcError
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.contracts.limits import AuthorityUnavailable, ExchangeResult, LeaseRequest


class RemoteAuthority:
    """`timeout_s` bounds one exchange; what is over, or lost on the way, is AuthorityDown."""

    def __init__(self, handle: DeploymentHandle, timeout_s: float = 0.5) -> None:
        pickled = handle.options(request_serialization="pickle", response_serialization="pickle")
        self._exchange = pickled.exchange
        self._check_health = handle.check_health
        self._timeout_s = timeout_s

    async def warm_up(self, within_s: float = 30.0) -> None:
        """Meet the replica before the first request does; without it, outage rules come first."""
        with contextlib.suppress(TimeoutError, RayError, RayServeException):
            async with asyncio.timeout(within_s):
                await self._check_health.remote()

    async def close(self) -> None:
        """Serve owns the handle."""

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, asks: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        response = self._exchange.remote(replica, epoch, ttl_s, tuple(asks))
        try:
            async with asyncio.timeout(self._timeout_s):
                return await response
        except TimeoutError:
            response.cancel()
            raise AuthorityUnavailable(f"no answer in {self._timeout_s:g} s") from None
        except (RayError, RayServeException, RpcError) as error:
            raise AuthorityUnavailable(type(error).__name__) from None
