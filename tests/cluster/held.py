"""An application of two kinds of connections that last, beside Mobula, as its ingress is served.

Modules of tests are not importable in replicas; this one is. `/way` says how a request has come,
`/hold` is answered when its client leaves, `/echo` is a WebSocket.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.ingress.http.serve_bypass import LOCAL, ServedApplication
from load_tests.benchmarks.common.local_serve import LocalServe

APP, NAME, PREFIX = "held", "Held", "/held"
TARGET = 2  # open requests that a replica should have
SCALING = {
    "min_replicas": 1,
    "max_replicas": 2,
    "target_ongoing_requests": TARGET,
    "upscale_delay_s": 0.0,
    "downscale_delay_s": 0.0,
    "look_back_period_s": 2.0,
    "metrics_interval_s": 0.5,
}


class Held:
    """`way` is "around" Serve's wrapper, or "through" it."""

    def __init__(self) -> None:
        self.left = 0

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        LOCAL.install(self._application("around"))
        return ServedApplication(self._application("through"), LOCAL.open_requests)

    async def record_autoscaling_stats(self) -> dict[str, float]:
        return LOCAL.autoscaling_stats()

    def _application(self, way: str) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "websocket":
                await self._echo(receive, send)
            elif scope["type"] == "lifespan":
                await _live(receive, send)
            elif scope["path"].endswith("/hold"):
                await self._hold(receive)
            else:
                text = f"{way} {self.left}" if scope["path"].endswith("/way") else "?"
                await _respond(send, text)

        return answer

    async def _hold(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.left += 1

    async def _echo(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"].upper()})
        self.left += 1


async def _live(receive: Receive, send: Send) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


async def _respond(send: Send, text: str) -> None:
    start: Message = {"type": "http.response.start", "status": 200, "headers": []}
    await send(start)
    await send({"type": "http.response.body", "body": text.encode()})


def deploy(cluster: LocalServe) -> None:
    from ray import serve

    held = serve.deployment(
        serve.ingress()(Held),
        name=NAME,
        ray_actor_options={"num_cpus": 0.1},
        max_ongoing_requests=1_000,
        autoscaling_config=SCALING,
        graceful_shutdown_timeout_s=5.0,
    ).bind()
    cluster.run(held, APP, PREFIX)


def remove() -> None:
    from ray import serve

    serve.delete(APP)


def running() -> int:
    """Replicas that are up."""
    from ray import serve

    states = serve.status().applications[APP].deployments[NAME].replica_states
    return sum(count for state, count in states.items() if str(state) == "RUNNING")


async def hold(url: str, connections: int) -> list[asyncio.StreamWriter]:
    """Open requests that last until their connections are closed."""
    host, _, port = url.removeprefix("http://").partition(":")
    writers = []
    for _ in range(connections):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {PREFIX}/hold HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        await writer.drain()
        writers.append(writer)
    return writers
