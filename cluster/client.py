"""The Python handle client: `Mobula(api_key=...)` inside any Ray job, task, actor or driver.

In: the fields of the HTTP API. Out: the same responses, by a Serve handle without HTTP. The ingress
authenticates the key and admits the call, as for an HTTP request.
Every method raises `cluster.runtime.problems.Problem`s.
"""

import asyncio
import math
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import cache, cached_property
from typing import Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from cluster.client_values import (
    ChatResponse,
    ContentResponse,
    Prompt,
    analysis_body,
    analysis_results,
    chat_body,
    delta_texts,
    results,
    to_list,
    vectors,
)
from cluster.ops.ray_connection import connect
from cluster.resilience.failure_class import Unavailable
from cluster.resilience.ray_errors import REMOTE_ERRORS, from_ray
from cluster.runtime.json_values import encode
from cluster.runtime.problems import InvalidRequest, Overloaded, Problem
from cluster.tracing.log_context import current_traceparent

__all__ = ["AsyncMobula", "ChatResponse", "ContentResponse", "Mobula"]

_REMOTE = (*REMOTE_ERRORS, OSError, TimeoutError, Problem)
_TARGET, POLL_S = "mobula", 0.5
_END: Final = object()

Event = tuple[str | None, dict[str, Any]]
Answer = TypeVar("Answer")


class AsyncMobula:
    """The client for code that runs on an event loop.

    Serve keeps one router for each deployment and process, bound to the loop of its first use; so
    all calls of a process run on one dedicated loop.
    """

    def __init__(
        self,
        api_key: str,
        *,
        app: str = "mobula",
        timeout_s: float = 60.0,
        priority: str | None = None,
    ) -> None:
        """`app` is the Serve application; `timeout_s` bounds every call, queueing included;
        `priority` (interactive, standard, batch) is how urgent its calls are to the tenant.
        Raises InvalidRequest.
        """
        if not isinstance(timeout_s, int | float) or not 0 < timeout_s < math.inf:
            raise InvalidRequest("timeout_s must be more than 0 and finite.", param="timeout_s")
        self._api_key = api_key
        self._app = app
        self._timeout_s = timeout_s
        self._priority = priority

    async def chat(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> ChatResponse:
        """`prompt` is a user's text or a list of messages; `options` as in the HTTP body."""
        return ChatResponse.of(await self._call("chat", chat_body(prompt, model, options)))

    async def stream_chat(
        self, prompt: Prompt, *, model: str = "nano", **options: Any
    ) -> AsyncGenerator[str, None]:
        """Streams the first choice's text."""
        async with aclosing(self._events("chat", chat_body(prompt, model, options))) as events:
            async for _, chunk in events:
                for piece in delta_texts(chunk):
                    yield piece

    async def caption(
        self, topic: str | None = None, *, platform: str = "instagram", **brief: Any
    ) -> ContentResponse:
        """Ranked caption variants for `topic`; `brief` as in `POST /api/v1/captions`."""
        body = {"topic": topic, "platform": platform, **brief}
        return ContentResponse.of(await self._call("captions", body))

    def stream_caption(
        self, topic: str | None = None, *, platform: str = "instagram", **brief: Any
    ) -> AsyncGenerator[Event, None]:
        """(event, value) pairs: started, delta, variant, completed."""
        return self._events("captions", {"topic": topic, "platform": platform, **brief})

    async def post(self, topic: str | None = None, **brief: Any) -> ContentResponse:
        """Ranked posts from a topic or a `draft`; `brief` as in `POST /api/v1/posts`."""
        return ContentResponse.of(await self._call("posts", {"topic": topic, **brief}))

    async def caption_batch(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A result or an error for each brief, in order."""
        return results(await self._call("captions.batch", {"items": to_list(items, "items")}))

    async def post_batch(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A result or an error for each brief, in order."""
        return results(await self._call("posts.batch", {"items": to_list(items, "items")}))

    async def embed(
        self, texts: str | Sequence[str], *, model: str = "minilm", **options: Any
    ) -> NDArray[np.float32]:
        """One vector a text, of shape (texts, dimensions); `options` as in the HTTP body."""
        given = [texts] if isinstance(texts, str) else to_list(texts, "input")
        body = {"model": model, "input": given, **options, "encoding_format": "base64"}
        return vectors(await self._call("embeddings", body))

    async def rerank(
        self,
        query: str,
        documents: Sequence[str | Mapping[str, Any]],
        *,
        model: str = "minilm",
        **options: Any,
    ) -> list[dict[str, Any]]:
        """The documents that answer `query`, the best first: `index`, `relevance_score` and
        `document`; `options` as in the HTTP body."""
        given = to_list(documents, "documents")
        body = {"model": model, "query": query, "documents": given, **options}
        return results(await self._call("rerank", body))

    async def moderate(
        self, texts: str | Sequence[str], *, model: str | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """Which categories of harm each text is in; `model` None: the configured default."""
        given = [texts] if isinstance(texts, str) else to_list(texts, "input")
        return results(await self._call("moderations", {"model": model, "input": given, **options}))

    async def analyze_text(
        self,
        texts: str | Sequence[str],
        operations: Sequence[str] | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        language: str | None = None,
    ) -> Any:
        """What operations say of a text, by operation; of several texts, a list of that. `options`
        are by operation; `language` is as in `POST /api/v1/text/analyze`."""
        body = analysis_body(texts, operations, options, language)
        return analysis_results(await self._call("analyze_text", body))

    async def optimize_post(self, text: str, **options: Any) -> dict[str, Any]:
        """The draft improved towards goals, with reasons; `options` as in
        `POST /api/v1/posts/optimize`."""
        return await self._call("optimize_post", {"text": text, **options})

    async def best_time_to_post(
        self, outcomes: Sequence[Mapping[str, Any]], **options: Any
    ) -> dict[str, Any]:
        """The hours of the week in which posts did best; `options` as in
        `POST /api/v1/posts/best-time`."""
        body = {"outcomes": to_list(outcomes, "outcomes"), **options}
        return await self._call("best_time_to_post", body)

    async def summarize_text(self, text: str, **options: Any) -> dict[str, Any]:
        """The sentences that stand for the whole, or a model's summary, as `text`; `options` as in
        `POST /api/v1/text/summarize`."""
        return await self._call("summarize_text", {"text": text, **options})

    async def rewrite_text(self, text: str, **options: Any) -> dict[str, Any]:
        """The text as a model rewrites it, checked against it; `options` as in
        `POST /api/v1/text/rewrite`."""
        return await self._call("rewrite_text", {"text": text, **options})

    async def translate_text(self, text: str, to: str, **options: Any) -> dict[str, Any]:
        """A model's translation into a language (`de`, `pt-BR`)."""
        return await self._call("translate_text", {"text": text, "to": to, **options})

    async def tokenize(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> list[int]:
        """The token ids of a text or of a list of messages."""
        if isinstance(prompt, str):
            body: dict[str, Any] = {"model": model, "prompt": prompt, **options}
        else:
            body = chat_body(prompt, model, options)
        return list((await self._call("tokenize", body))["tokens"])

    async def detokenize(self, tokens: Sequence[int], *, model: str = "nano") -> str:
        """The text of token ids."""
        body = {"model": model, "tokens": to_list(tokens, "tokens")}
        return str((await self._call("detokenize", body))["prompt"])

    async def clip(self, video: str, *, wait: bool = True, **options: Any) -> dict[str, Any]:
        """The job that makes clips of a video, with `clips`, once it has ended or at once."""
        job = await self._call("clips", {"video": video, **options})
        while wait and job["state"] in ("queued", "running"):
            await asyncio.sleep(POLL_S)
            job = await self._call("jobs.get", {"job": job["id"]})
        return job

    async def analyze_audio(
        self, video: str, *, wait: bool = True, **options: Any
    ) -> dict[str, Any]:
        """What is in a recording, how it sounds, what is said; of a long one once its job has
        ended, or at once the job. `options` as in `POST /api/v1/audio`."""
        answer = await self._call("analyze_audio", {"video": video, **options})
        if answer["object"] != "job" or not wait:
            return answer
        while answer["state"] in ("queued", "running"):
            await asyncio.sleep(POLL_S)
            answer = await self._call("jobs.get", {"job": answer["id"]})
        return await self._call("audio.get", {"job": answer["id"]})

    async def create_batch(
        self,
        operation: str,
        items: Sequence[Mapping[str, Any]] | None = None,
        *,
        file: str | None = None,
    ) -> dict[str, Any]:
        """A batch of `items`, or of the lines of a file of `/v1/files`. How it stands, and its
        outcomes, are read over HTTP."""
        body: dict[str, Any] = {"operation": operation, "input_file": file}
        if items is not None:
            body["items"] = to_list(items, "items")
        return await self._call("batches", body)

    async def _call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await _run_on_client_loop(self._call_on_client_loop(operation, body))

    async def _events(self, operation: str, body: Mapping[str, Any]) -> AsyncGenerator[Event, None]:
        stream = self._stream_on_client_loop(operation, body)
        try:
            while (event := await _run_on_client_loop(_next(stream))) is not _END:
                yield cast("Event", event)
        finally:
            await _run_on_client_loop(_close(stream))

    async def _call_on_client_loop(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        arguments = self._arguments(operation, body)
        if trace := current_traceparent():  # of a job that the cluster runs
            try:
                return await self._ask(*arguments, trace)
            except Problem as problem:
                if not _may_be_older(problem):
                    raise
        return await self._ask(*arguments)

    async def _ask(self, *arguments: Any) -> dict[str, Any]:
        response = self._handle.call.remote(*arguments)
        try:
            async with asyncio.timeout(self._timeout_s):
                return _raise_if_problem(await response)
        except _REMOTE as error:
            raise _problem(error) from None
        finally:
            response.cancel()  # no effect on a call that has ended

    async def _stream_on_client_loop(
        self, operation: str, body: Mapping[str, Any]
    ) -> AsyncGenerator[Event, None]:
        arguments = self._arguments(operation, body)
        if trace := current_traceparent():
            has_begun = False
            try:
                async with aclosing(self._ask_for_events(*arguments, trace)) as events:
                    async for event in events:
                        has_begun = True
                        yield event
            except Problem as problem:
                if has_begun or not _may_be_older(problem):
                    raise
            else:
                return
        async with aclosing(self._ask_for_events(*arguments)) as events:
            async for event in events:
                yield event

    async def _ask_for_events(self, *arguments: Any) -> AsyncGenerator[Event, None]:
        response = self._streaming.stream.remote(*arguments)
        try:
            async for event in response:
                yield _raise_if_problem(event)
        except _REMOTE as error:
            raise _problem(error) from None
        finally:
            response.cancel()

    @cached_property
    def _handle(self) -> DeploymentHandle:
        connect()
        try:
            return serve.get_app_handle(self._app)
        except (RayServeException, RayError) as error:
            raise Overloaded(f"Application '{self._app}' is not running here.") from error

    @cached_property
    def _streaming(self) -> DeploymentHandle:
        return self._handle.options(stream=True)

    def _arguments(self, operation: str, body: Mapping[str, Any]) -> tuple[Any, ...]:
        given = {key: value for key, value in body.items() if value is not None}
        return self._api_key, operation, encode(given), self._timeout_s, self._priority


class Mobula:
    """The client for blocking code."""

    def __init__(
        self,
        api_key: str,
        *,
        app: str = "mobula",
        timeout_s: float = 60.0,
        priority: str | None = None,
    ) -> None:
        self._client = AsyncMobula(api_key, app=app, timeout_s=timeout_s, priority=priority)

    def chat(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> ChatResponse:
        return _run(self._client.chat(prompt, model=model, **options))

    def stream_chat(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> Iterator[str]:
        return _iterate(self._client.stream_chat(prompt, model=model, **options))

    def caption(
        self, topic: str | None = None, *, platform: str = "instagram", **brief: Any
    ) -> ContentResponse:
        return _run(self._client.caption(topic, platform=platform, **brief))

    def stream_caption(
        self, topic: str | None = None, *, platform: str = "instagram", **brief: Any
    ) -> Iterator[Event]:
        return _iterate(self._client.stream_caption(topic, platform=platform, **brief))

    def post(self, topic: str | None = None, **brief: Any) -> ContentResponse:
        return _run(self._client.post(topic, **brief))

    def caption_batch(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return _run(self._client.caption_batch(items))

    def post_batch(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return _run(self._client.post_batch(items))

    def embed(
        self, texts: str | Sequence[str], *, model: str = "minilm", **options: Any
    ) -> NDArray[np.float32]:
        return _run(self._client.embed(texts, model=model, **options))

    def rerank(
        self,
        query: str,
        documents: Sequence[str | Mapping[str, Any]],
        *,
        model: str = "minilm",
        **options: Any,
    ) -> list[dict[str, Any]]:
        return _run(self._client.rerank(query, documents, model=model, **options))

    def moderate(
        self, texts: str | Sequence[str], *, model: str | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        return _run(self._client.moderate(texts, model=model, **options))

    def analyze_text(
        self,
        texts: str | Sequence[str],
        operations: Sequence[str] | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        language: str | None = None,
    ) -> Any:
        return _run(
            self._client.analyze_text(texts, operations, options=options, language=language)
        )

    def optimize_post(self, text: str, **options: Any) -> dict[str, Any]:
        return _run(self._client.optimize_post(text, **options))

    def best_time_to_post(
        self, outcomes: Sequence[Mapping[str, Any]], **options: Any
    ) -> dict[str, Any]:
        return _run(self._client.best_time_to_post(outcomes, **options))

    def summarize_text(self, text: str, **options: Any) -> dict[str, Any]:
        return _run(self._client.summarize_text(text, **options))

    def rewrite_text(self, text: str, **options: Any) -> dict[str, Any]:
        return _run(self._client.rewrite_text(text, **options))

    def translate_text(self, text: str, to: str, **options: Any) -> dict[str, Any]:
        return _run(self._client.translate_text(text, to, **options))

    def tokenize(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> list[int]:
        return _run(self._client.tokenize(prompt, model=model, **options))

    def detokenize(self, tokens: Sequence[int], *, model: str = "nano") -> str:
        return _run(self._client.detokenize(tokens, model=model))

    def create_batch(self, operation: str, *args: Any, **options: Any) -> dict[str, Any]:
        return _run(self._client.create_batch(operation, *args, **options))

    def clip(self, video: str, **options: Any) -> dict[str, Any]:
        return _run(self._client.clip(video, **options))

    def analyze_audio(self, video: str, **options: Any) -> dict[str, Any]:
        return _run(self._client.analyze_audio(video, **options))


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """This process's event loop for handle calls, in a dedicated thread."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="mobula-client", daemon=True).start()
    return loop


def _run(work: Coroutine[Any, Any, Answer]) -> Answer:
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()  # Ctrl-C must not leave the call running
        raise


def _iterate(stream: AsyncGenerator[Answer, None]) -> Iterator[Answer]:
    try:
        while (item := _run(_next(stream))) is not _END:
            yield cast("Answer", item)
    finally:
        _run(_close(stream))


async def _run_on_client_loop(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Awaits work on the client loop from this loop; a cancellation is forwarded."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, _loop()))


async def _next(stream: AsyncGenerator[Answer, None]) -> Answer | object:
    return await anext(stream, _END)


async def _close(stream: AsyncGenerator[Answer, None]) -> None:
    await stream.aclose()


def _may_be_older(problem: Problem) -> bool:
    """Whether an ingress replica that knows no traces may have answered: version 0.1 fails before
    it does anything if it is given one, and runs beside newer replicas during a roll."""
    return type(problem) is Problem


def _raise_if_problem(given: Answer | Problem) -> Answer:
    """Raises a problem that was returned as a response."""
    if isinstance(given, Problem):
        raise given
    return given


def _problem(error: Exception) -> Problem:
    try:
        return from_ray(error, _TARGET)
    except Exception:  # noqa: BLE001  none of Ray's: what connections and codecs raise
        why = f"'{_TARGET}' cannot be reached ({type(error).__name__})."
        return Unavailable(why, retry_after_s=2.0)
