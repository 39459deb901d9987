"""Calls of models: chats, content, vectors, analysis of texts, tokens."""

from collections.abc import Mapping, Sequence
from typing import Any

from mobula_client.attempts import Attempts, Call, as_list
from mobula_client.responses import ChatResponse, ContentResponse, vectors

Prompt = str | Sequence[Mapping[str, Any]]
CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
RERANK, MODERATIONS = "/v1/rerank", "/v1/moderations"
TOKENIZE, DETOKENIZE = "/tokenize", "/detokenize"
CAPTIONS, POSTS = "/api/v1/captions", "/api/v1/posts"
TEXT = "/api/v1/text"


class TextCalls(Attempts):
    """What `Calls` does with texts."""

    def chat(self, body: Mapping[str, Any]) -> Call[ChatResponse]:
        response = yield from self.attempts("POST", CHAT, body)
        return ChatResponse.of(response.json())

    def content(self, path: str, body: Mapping[str, Any]) -> Call[ContentResponse]:
        """Captions or posts."""
        response = yield from self.attempts("POST", path, body)
        return ContentResponse.of(response.json())

    def batch(self, path: str, items: Sequence[Mapping[str, Any]]) -> Call[list[dict[str, Any]]]:
        body = {"items": as_list(items, "items")}
        response = yield from self.attempts("POST", f"{path}/batch", body)
        return list(response.json()["results"])

    def embed(
        self, texts: str | Sequence[str], model: str, options: Mapping[str, Any]
    ) -> Call[list[list[float]]]:
        inputs = [texts] if isinstance(texts, str) else as_list(texts, "input")
        body = {"model": model, "input": inputs, **options, "encoding_format": "base64"}
        response = yield from self.attempts("POST", EMBEDDINGS, body)
        return vectors(response.json())

    def rerank(
        self,
        query: str,
        documents: Sequence[str | Mapping[str, Any]],
        model: str,
        options: Mapping[str, Any],
    ) -> Call[list[dict[str, Any]]]:
        given = as_list(documents, "documents")
        body = {"model": model, "query": query, "documents": given, **options}
        response = yield from self.attempts("POST", RERANK, body)
        return list(response.json()["results"])

    def moderate(
        self, texts: str | Sequence[str], model: str | None, options: Mapping[str, Any]
    ) -> Call[list[dict[str, Any]]]:
        inputs = [texts] if isinstance(texts, str) else as_list(texts, "input")
        body = {"model": model, "input": inputs, **options}
        response = yield from self.attempts("POST", MODERATIONS, body)
        return list(response.json()["results"])

    def analyze_text(
        self,
        texts: str | Sequence[str],
        operations: Sequence[str] | None,
        options: Mapping[str, Any] | None,
        language: str | None,
    ) -> Call[Any]:
        body: dict[str, Any] = (
            {"text": texts} if isinstance(texts, str) else {"texts": as_list(texts, "texts")}
        )
        given = {"operations": operations, "options": options, "language": language}
        body |= {name: value for name, value in given.items() if value is not None}
        answer = (yield from self.attempts("POST", f"{TEXT}/analyze", body)).json()
        items = answer.get("items")
        return answer["results"] if items is None else [item["results"] for item in items]

    def improve(self, name: str, body: Mapping[str, Any]) -> Call[dict[str, Any]]:
        """What is said of posts: `optimize` or `best-time`."""
        response = yield from self.attempts("POST", f"{POSTS}/{name}", body)
        return dict(response.json())

    def best_time(
        self, outcomes: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> Call[dict[str, Any]]:
        body = {"outcomes": as_list(outcomes, "outcomes"), **options}
        return (yield from self.improve("best-time", body))

    def write(self, name: str, body: Mapping[str, Any]) -> Call[dict[str, Any]]:
        """A text made of another: `summarize`, `rewrite` or `translate`."""
        response = yield from self.attempts("POST", f"{TEXT}/{name}", body)
        return dict(response.json())

    def tokenize(self, body: Mapping[str, Any]) -> Call[list[int]]:
        response = yield from self.attempts("POST", TOKENIZE, body)
        return list(response.json()["tokens"])

    def detokenize(self, tokens: Sequence[int], model: str) -> Call[str]:
        body = {"model": model, "tokens": as_list(tokens, "tokens")}
        response = yield from self.attempts("POST", DETOKENIZE, body)
        return str(response.json()["prompt"])


def chat_body(prompt: Any, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(prompt, str):
        messages: list[Any] = [{"role": "user", "content": prompt}]
    else:
        messages = as_list(prompt, "messages")
    return {"model": model, "messages": messages, **options}


def tokenize_body(prompt: Any, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(prompt, str):
        return {"model": model, "prompt": prompt, **options}
    return chat_body(prompt, model, options)
