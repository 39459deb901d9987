"""The operator's own checks: an HTTP request, or a TCP connection, to a checked address.

In: an OwnCheckSpec. Out: an outcome. The rules are those of providers' upstreams: public addresses
over https, and private ones of hosts that the operator has named; link-local and metadata addresses
never. No redirect is followed, no proxy of the environment used, no body read.
"""

import httpx

from cluster.health.state import UP, CheckOutcome, down
from cluster.net.first_connection import connect_to_first
from cluster.net.ssrf import SsrfGuard, UnsafeUrl
from cluster.net.transport import MAX_ADDRESSES, PinnedTransport, guarded_client
from deployments.ingress.health.config import OwnCheckSpec

TCP = "tcp://"
USER_AGENT = "Mobula-Health/1"


def parse_target(url: str, *, is_private: bool) -> str:
    """The URL as the guard reads it (a TCP address as https). Raises UnsafeUrl."""
    if not url.startswith(TCP):
        SsrfGuard(is_private).check(url)
        return url
    address = url.removeprefix(TCP)
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UnsafeUrl("must read tcp://host:port")
    SsrfGuard(is_private).check(target := f"https://{address}")
    return target


class OwnCheck:
    """Close it at the end. Raises UnsafeUrl for a target that may not be reached."""

    def __init__(self, spec: OwnCheckSpec, guard: SsrfGuard | None = None) -> None:
        self._spec = spec
        self._guard = guard or SsrfGuard(spec.is_private)
        self._target = parse_target(spec.url, is_private=spec.is_private)
        self._http: httpx.AsyncClient | None = None

    async def __call__(self) -> CheckOutcome:
        try:
            if self._spec.url.startswith(TCP):
                return await self._connect()
            return await self._request()
        except UnsafeUrl as unsafe:
            return down(f"may not be reached: {unsafe.extensions['reason']}")
        except (httpx.HTTPError, OSError) as error:
            return down(f"cannot be reached: {type(error).__name__}")

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
        self._guard.close()

    async def _connect(self) -> CheckOutcome:
        target = await self._guard.target(self._target)
        addresses = target.addresses[:MAX_ADDRESSES]
        connection, _ = await connect_to_first(addresses, target.location.port)
        connection.close()
        return UP

    async def _request(self) -> CheckOutcome:
        spec = self._spec
        if self._http is None:
            self._http = guarded_client(PinnedTransport(self._guard), spec.timeout_s)
            self._http.headers["User-Agent"] = USER_AGENT
        async with self._http.stream("GET", self._target) as answer:
            status = answer.status_code
        if spec.first_status <= status <= spec.last_status:
            return UP
        return down(f"answered {status}")
