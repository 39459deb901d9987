"""The client for code that runs on an event loop: `AsyncMobula(api_key)`."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.client.handle_calls import Event, HandleCalls
from cluster.client.values import (
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

POLL_S = 0.5


class AsyncMobula(HandleCalls):
    """All calls of a process run on one dedicated loop, whichever loop awaits them."""

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

    async def put_points(
        self, collection: str, points: Sequence[Mapping[str, Any]], **options: Any
    ) -> dict[str, Any]:
        """Stores up to 256 points (`id`, `text` or `vector`, `payload`) of a collection; those that
        are there already are replaced."""
        body = {"collection": collection, "points": to_list(points, "points"), **options}
        return await self._call("put_points", body)

    async def delete_points(
        self,
        collection: str,
        ids: Sequence[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Deletes the points with these ids, or those that pass a filter."""
        given = None if ids is None else to_list(ids, "ids")
        body = {"collection": collection, "ids": given, "filter": filter}
        return await self._call("delete_points", body)

    async def query_collection(
        self, collection: str, text: str | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """The points that are most like a text or a `vector`, the best first; `options` as in
        `POST /api/v1/collections/{collection}/query`."""
        body = {"collection": collection, "text": text, **options}
        return results(await self._call("query_collection", body))

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
        self, video: str | None = None, *, wait: bool = True, **options: Any
    ) -> dict[str, Any]:
        """What is in a recording, how it sounds, what is said; of a long one once its job has
        ended, or at once the job. `options` as in `POST /api/v1/audio`: `file_id` or `url`
        name another source than a video."""
        answer = await self._call("analyze_audio", {"video": video, **options})
        if answer["object"] != "job" or not wait:
            return answer
        while answer["state"] in ("queued", "running"):
            await asyncio.sleep(POLL_S)
            answer = await self._call("jobs.get", {"job": answer["id"]})
        return await self._call("audio.get", {"job": answer["id"]})

    async def add_document(
        self,
        *,
        url: str | None = None,
        file_id: str | None = None,
        wait: bool = True,
        **options: Any,
    ) -> dict[str, Any]:
        """The document behind a URL, or of a file of `/v1/files`, once it is indexed or has failed,
        or at once. `options` as in `POST /api/v1/documents`."""
        document = await self._call("create_document", {"url": url, "file_id": file_id, **options})
        while wait and document["job"] and document["state"] in ("reading", "readable"):
            await asyncio.sleep(POLL_S)
            document = await self._call("documents.get", {"document": document["id"]})
        return document

    async def get_document(self, document: str) -> dict[str, Any]:
        """How a document stands."""
        return await self._call("documents.get", {"document": document})

    async def summarize_document(self, document: str, **options: Any) -> dict[str, Any]:
        """The sentences that stand for the whole, with their places, or a model's summary;
        `options` as in `POST /api/v1/documents/{document}/summary`."""
        return await self._call("summarize_document", {"document": document, **options})

    async def ask_documents(self, question: str, **options: Any) -> dict[str, Any]:
        """The answer from documents, with citations; `options` as in
        `POST /api/v1/documents/ask`."""
        return await self._call("ask_documents", {"question": question, **options})

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
