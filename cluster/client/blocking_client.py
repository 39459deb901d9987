"""The client for blocking code: `Mobula(api_key)`, with the methods of `AsyncMobula`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.client.async_client import AsyncMobula
from cluster.client.event_loop import iterate, run
from cluster.client.handle_calls import Event
from cluster.client.values import ChatResponse, ContentResponse, Prompt


class Mobula:
    """The methods are described in `AsyncMobula`."""

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
        return run(self._client.chat(prompt, model=model, **options))

    def stream_chat(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> Iterator[str]:
        return iterate(self._client.stream_chat(prompt, model=model, **options))

    def caption(
        self, topic: str | None = None, *, platform: str = "instagram", **brief: Any
    ) -> ContentResponse:
        return run(self._client.caption(topic, platform=platform, **brief))

    def stream_caption(
        self, topic: str | None = None, *, platform: str = "instagram", **brief: Any
    ) -> Iterator[Event]:
        return iterate(self._client.stream_caption(topic, platform=platform, **brief))

    def post(self, topic: str | None = None, **brief: Any) -> ContentResponse:
        return run(self._client.post(topic, **brief))

    def caption_batch(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return run(self._client.caption_batch(items))

    def post_batch(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return run(self._client.post_batch(items))

    def embed(
        self, texts: str | Sequence[str], *, model: str = "minilm", **options: Any
    ) -> NDArray[np.float32]:
        return run(self._client.embed(texts, model=model, **options))

    def rerank(
        self,
        query: str,
        documents: Sequence[str | Mapping[str, Any]],
        *,
        model: str = "minilm",
        **options: Any,
    ) -> list[dict[str, Any]]:
        return run(self._client.rerank(query, documents, model=model, **options))

    def moderate(
        self, texts: str | Sequence[str], *, model: str | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        return run(self._client.moderate(texts, model=model, **options))

    def analyze_text(
        self,
        texts: str | Sequence[str],
        operations: Sequence[str] | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        language: str | None = None,
    ) -> Any:
        return run(self._client.analyze_text(texts, operations, options=options, language=language))

    def optimize_post(self, text: str, **options: Any) -> dict[str, Any]:
        return run(self._client.optimize_post(text, **options))

    def best_time_to_post(
        self, outcomes: Sequence[Mapping[str, Any]], **options: Any
    ) -> dict[str, Any]:
        return run(self._client.best_time_to_post(outcomes, **options))

    def summarize_text(self, text: str, **options: Any) -> dict[str, Any]:
        return run(self._client.summarize_text(text, **options))

    def rewrite_text(self, text: str, **options: Any) -> dict[str, Any]:
        return run(self._client.rewrite_text(text, **options))

    def translate_text(self, text: str, to: str, **options: Any) -> dict[str, Any]:
        return run(self._client.translate_text(text, to, **options))

    def put_points(
        self, collection: str, points: Sequence[Mapping[str, Any]], **options: Any
    ) -> dict[str, Any]:
        return run(self._client.put_points(collection, points, **options))

    def delete_points(
        self,
        collection: str,
        ids: Sequence[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        return run(self._client.delete_points(collection, ids, filter=filter))

    def query_collection(
        self, collection: str, text: str | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        return run(self._client.query_collection(collection, text, **options))

    def tokenize(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> list[int]:
        return run(self._client.tokenize(prompt, model=model, **options))

    def detokenize(self, tokens: Sequence[int], *, model: str = "nano") -> str:
        return run(self._client.detokenize(tokens, model=model))

    def create_batch(self, operation: str, *args: Any, **options: Any) -> dict[str, Any]:
        return run(self._client.create_batch(operation, *args, **options))

    def clip(self, video: str, **options: Any) -> dict[str, Any]:
        return run(self._client.clip(video, **options))

    def analyze_audio(self, video: str | None = None, **options: Any) -> dict[str, Any]:
        return run(self._client.analyze_audio(video, **options))

    def add_document(
        self,
        *,
        url: str | None = None,
        file_id: str | None = None,
        wait: bool = True,
        **options: Any,
    ) -> dict[str, Any]:
        return run(self._client.add_document(url=url, file_id=file_id, wait=wait, **options))

    def get_document(self, document: str) -> dict[str, Any]:
        return run(self._client.get_document(document))

    def summarize_document(self, document: str, **options: Any) -> dict[str, Any]:
        return run(self._client.summarize_document(document, **options))

    def ask_documents(self, question: str, **options: Any) -> dict[str, Any]:
        return run(self._client.ask_documents(question, **options))
