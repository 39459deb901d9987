"""The yardsticks: the least that one can write on Ray Serve, with nothing of Mobula in it.

`hello` is one FastAPI deployment, `chain` a FastAPI deployment that calls an echo deployment by
handle, `asgi` a deployment without FastAPI. `chain` also streams, one event a word, `pause_s`
seconds apart where the body says so.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

_MAX_ONGOING = 100_000


def hello(cpus: float = 0.1) -> Application:
    """FastAPI alone."""
    api = FastAPI()

    @api.post("/chat")
    async def chat(request: Request) -> dict[str, Any]:
        return {"echo": await request.json()}

    return _deployment(serve.ingress(api)(_Hello), "Hello", cpus).bind()


class _Hello:
    pass


def asgi(cpus: float = 0.1) -> Application:
    """The ceiling: an ASGI callable that reads the body and answers."""
    return _deployment(serve.ingress(_raw)(_Raw), "Raw", cpus).bind()


class _Raw:
    pass


def chain(cpus: float = 0.1) -> Application:
    """FastAPI, one handle hop, echo."""
    api = FastAPI()

    @serve.ingress(api)
    class Front:
        def __init__(self, echo: DeploymentHandle) -> None:
            self._echo = echo
            self._words = echo.options(stream=True)

        @api.post("/chat")
        async def chat(self, request: Request) -> dict[str, Any]:
            return await self._echo.answer.remote(await request.json())

        @api.post("/stream")
        async def stream(self, request: Request) -> StreamingResponse:
            body = await request.json()

            async def events() -> AsyncGenerator[str, None]:
                async for word in self._words.words.remote(body):
                    yield f"data: {word}\n\n"

            return StreamingResponse(events(), media_type="text/event-stream")

    echo = _deployment(_Echo, "Echo", cpus).bind()
    return _deployment(Front, "Front", cpus).bind(echo)


class _Echo:
    async def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"echo": body}

    async def words(self, body: dict[str, Any]) -> AsyncGenerator[str, None]:
        pause_s = float(body.get("pause_s", 0.0))
        for at in range(int(body.get("max_tokens", 50))):
            if pause_s:
                await asyncio.sleep(pause_s)
            yield f"word{at}"


async def _raw_app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    message = await receive()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": message["body"]})


def _raw() -> Any:
    return _raw_app


def _deployment(cls: Any, name: str, cpus: float) -> Any:
    return serve.deployment(
        cls,
        name=name,
        ray_actor_options={"num_cpus": cpus},
        max_ongoing_requests=_MAX_ONGOING,
    )
