"""The Python handle client: `Mobula(api_key=...)` inside any Ray job, task, actor or driver.

Flows in: the fields that the HTTP API takes. Flows out: the same answers, by a Serve handle and
without HTTP. The key is checked and the call admitted on the far side, like any HTTP request's.
Every method raises `cluster.problems.Problem`s.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import orjson
import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from cluster.problems import Overloaded, Problem
from cluster.resilience.failures import from_ray

_REMOTE = (RayError, RayServeException, TimeoutError)
_TARGET = "mobula"

Event = tuple[str | None, dict[str, Any]]
Answer = TypeVar("Answer")
Prompt = str | Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """The first choice's text; `raw` is the whole `chat.completion`."""

    text: str
    finish_reason: str
    raw: dict[str, Any]

    @classmethod
    def of(cls, raw: dict[str, Any]) -> "ChatAnswer":
        choice = raw["choices"][0]
        return cls(choice["message"]["content"], choice["finish_reason"], raw)


@dataclass(frozen=True, slots=True)
class ContentAnswer:
    """Variants' texts, best first; `raw` has their scores, reasons and the usage."""

    variants: tuple[str, ...]
    raw: dict[str, Any]

    @property
    def best(self) -> str:
        return self.variants[0]

    @classmethod
    def of(cls, raw: dict[str, Any]) -> "ContentAnswer":
        return cls(tuple(variant["text"] for variant in raw["variants"]), raw)


class _Client:
    """What both clients share: the handle, and the bodies of calls."""

    def __init__(self, api_key: str, *, app: str = "mobula", timeout_s: float = 60.0) -> None:
        """`app` is the Serve application; `timeout_s` bounds every call, queueing included."""
        self._api_key = api_key
        self._app = app
        self._timeout_s = timeout_s

    @cached_property
    def _handle(self) -> DeploymentHandle:
        if not ray.is_initialized():
            ray.init(address="auto", namespace="serve", log_to_driver=False)
        try:
            return serve.get_app_handle(self._app)
        except RayServeException as error:
            raise Overloaded(f"Application '{self._app}' is not running here.") from error

    @cached_property
    def _streaming(self) -> DeploymentHandle:
        return self._handle.options(stream=True)

    def _arguments(self, operation: str, body: Mapping[str, Any]) -> tuple[str, str, bytes, float]:
        given = {key: value for key, value in body.items() if value is not None}
        return self._api_key, operation, orjson.dumps(given), self._timeout_s


class Mobula(_Client):
    """The blocking client."""

    def chat(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> ChatAnswer:
        """`prompt` is a user's text or a list of messages; `options` as in the HTTP body."""
        return self._call("chat", _chat(prompt, model, options), ChatAnswer.of)

    def stream_chat(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> Iterator[str]:
        """The first choice's text, piece by piece."""
        for _, chunk in self._events("chat", _chat(prompt, model, options)):
            yield from _pieces(chunk)

    def caption(self, topic: str, *, platform: str = "instagram", **brief: Any) -> ContentAnswer:
        """Ranked caption variants for `topic`; `brief` as in `POST /api/v1/captions`."""
        body = {"topic": topic, "platform": platform, **brief}
        return self._call("captions", body, ContentAnswer.of)

    def stream_caption(
        self, topic: str, *, platform: str = "instagram", **brief: Any
    ) -> Iterator[Event]:
        """(event, value) pairs: started, delta, variant, completed."""
        return self._events("captions", {"topic": topic, "platform": platform, **brief})

    def post(self, topic: str | None = None, **brief: Any) -> ContentAnswer:
        """Ranked posts from a topic or a `draft`; `brief` as in `POST /api/v1/posts`."""
        return self._call("posts", {"topic": topic, **brief}, ContentAnswer.of)

    def caption_batch(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A result or an error for each item, in order."""
        return self._call("captions.batch", {"items": [dict(i) for i in items]}, _results)

    def _call(
        self, operation: str, body: Mapping[str, Any], read: Callable[[dict[str, Any]], Answer]
    ) -> Answer:
        response = self._handle.call.remote(*self._arguments(operation, body))
        try:
            return read(response.result(timeout_s=self._timeout_s))
        except (*_REMOTE, Problem) as error:
            raise from_ray(error, _TARGET) from None

    def _events(self, operation: str, body: Mapping[str, Any]) -> Iterator[Event]:
        response = self._streaming.stream.remote(*self._arguments(operation, body))
        try:
            yield from response
        except (*_REMOTE, Problem) as error:
            raise from_ray(error, _TARGET) from None
        finally:
            response.cancel()


class AsyncMobula(_Client):
    """The same for an event loop."""

    async def chat(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> ChatAnswer:
        return ChatAnswer.of(await self._call("chat", _chat(prompt, model, options)))

    async def stream_chat(
        self, prompt: Prompt, *, model: str = "nano", **options: Any
    ) -> AsyncIterator[str]:
        async for _, chunk in self._events("chat", _chat(prompt, model, options)):
            for piece in _pieces(chunk):
                yield piece

    async def caption(
        self, topic: str, *, platform: str = "instagram", **brief: Any
    ) -> ContentAnswer:
        body = {"topic": topic, "platform": platform, **brief}
        return ContentAnswer.of(await self._call("captions", body))

    async def post(self, topic: str | None = None, **brief: Any) -> ContentAnswer:
        return ContentAnswer.of(await self._call("posts", {"topic": topic, **brief}))

    async def _call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return await self._handle.call.remote(*self._arguments(operation, body))
        except (*_REMOTE, Problem) as error:
            raise from_ray(error, _TARGET) from None

    async def _events(self, operation: str, body: Mapping[str, Any]) -> AsyncIterator[Event]:
        response = self._streaming.stream.remote(*self._arguments(operation, body))
        try:
            async for event in response:
                yield event
        except (*_REMOTE, Problem) as error:
            raise from_ray(error, _TARGET) from None
        finally:
            response.cancel()


def _chat(prompt: Prompt, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    return {"model": model, "messages": messages, **options}


def _pieces(chunk: Mapping[str, Any]) -> list[str]:
    return [
        choice["delta"]["content"]
        for choice in chunk["choices"]
        if choice["index"] == 0 and choice["delta"].get("content")
    ]


def _results(raw: dict[str, Any]) -> list[dict[str, Any]]:
    return list(raw["results"])
