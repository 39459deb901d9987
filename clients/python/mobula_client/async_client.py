"""The client for code on an event loop: `AsyncMobula(url, api_key)`.

Flows in: the fields that the HTTP API takes. Flows out: its answers, as values. Methods and their
arguments are those of the handle client for Ray jobs (`cluster.client`); `upload`, `download`,
`with_options` and `close` come in addition. Every method raises `Problem`s.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx

from mobula_client.attempts import Answer, Call, Options, Pause, problem_of_transport
from mobula_client.calls import Calls
from mobula_client.download import Download
from mobula_client.responses import (
    ChatResponse,
    ContentResponse,
    Event,
    EventReader,
    first_choice_texts,
)
from mobula_client.text_calls import CAPTIONS, CHAT, POSTS, Prompt, chat_body, tokenize_body


class AsyncMobula:
    """Use as `async with`, or call `close`."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_s: float = 60.0,
        priority: str | None = None,
        max_retries: int = 2,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """`timeout_s` bounds every call, queueing and retries included; `priority` (interactive,
        standard, batch) is how urgent its calls are to the tenant. `http` sends the requests
        instead of a client made here, for proxies, certificates and tests. Raises InvalidRequest.
        """
        options = Options(api_key, timeout_s, priority, max_retries)
        self._http = http or httpx.AsyncClient()
        self._calls = Calls(url, options, self._http.build_request)

    def with_options(self, **changes: Any) -> "AsyncMobula":
        """The same client with another `timeout_s`, `priority`, `max_retries` or
        `idempotency_key`, over the same connections.

        The operation of a call runs once under an idempotency key, however often it is sent.
        """
        changed = object.__new__(AsyncMobula)
        changed._http, changed._calls = self._http, self._calls.changed(changes)
        return changed

    async def chat(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> ChatResponse:
        """`prompt` is a user's text or a list of messages; `options` as in the HTTP body."""
        return await self._run(self._calls.chat(chat_body(prompt, model, options)))

    async def stream_chat(
        self, prompt: Prompt, *, model: str = "nano", **options: Any
    ) -> AsyncGenerator[str, None]:
        """The first choice's text, piece by piece."""
        async with aclosing(self._events(CHAT, chat_body(prompt, model, options))) as events:
            async for _, chunk in events:
                for text in first_choice_texts(chunk):
                    yield text

    async def caption(
        self, topic: str | None = None, *, platform: str = "instagram", **brief: Any
    ) -> ContentResponse:
        """Ranked caption variants for `topic`; `brief` as in `POST /api/v1/captions`."""
        body = {"topic": topic, "platform": platform, **brief}
        return await self._run(self._calls.content(CAPTIONS, body))

    def stream_caption(
        self, topic: str | None = None, *, platform: str = "instagram", **brief: Any
    ) -> AsyncGenerator[Event, None]:
        """(event, value) pairs: started, delta, variant, completed."""
        return self._events(CAPTIONS, {"topic": topic, "platform": platform, **brief})

    async def post(self, topic: str | None = None, **brief: Any) -> ContentResponse:
        """Ranked posts from a topic or a `draft`; `brief` as in `POST /api/v1/posts`."""
        return await self._run(self._calls.content(POSTS, {"topic": topic, **brief}))

    async def caption_batch(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A result or an error for each brief, in order."""
        return await self._run(self._calls.batch(CAPTIONS, items))

    async def post_batch(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A result or an error for each brief, in order."""
        return await self._run(self._calls.batch(POSTS, items))

    async def embed(
        self, texts: str | Sequence[str], *, model: str = "minilm", **options: Any
    ) -> list[list[float]]:
        """One vector a text; `options` as in the HTTP body."""
        return await self._run(self._calls.embed(texts, model, options))

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
        return await self._run(self._calls.rerank(query, documents, model, options))

    async def moderate(
        self, texts: str | Sequence[str], *, model: str | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """Which categories of harm each text is in; `model` None: the configured default."""
        return await self._run(self._calls.moderate(texts, model, options))

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
        return await self._run(self._calls.analyze_text(texts, operations, options, language))

    async def optimize_post(self, text: str, **options: Any) -> dict[str, Any]:
        """The draft improved towards goals, with reasons; `options` as in
        `POST /api/v1/posts/optimize`."""
        return await self._run(self._calls.improve("optimize", {"text": text, **options}))

    async def best_time_to_post(
        self, outcomes: Sequence[Mapping[str, Any]], **options: Any
    ) -> dict[str, Any]:
        """The hours of the week in which posts did best; `options` as in
        `POST /api/v1/posts/best-time`."""
        return await self._run(self._calls.best_time(outcomes, options))

    async def summarize_text(self, text: str, **options: Any) -> dict[str, Any]:
        """The sentences that stand for the whole, or a model's summary, as `text`; `options` as in
        `POST /api/v1/text/summarize`."""
        return await self._run(self._calls.write("summarize", {"text": text, **options}))

    async def rewrite_text(self, text: str, **options: Any) -> dict[str, Any]:
        """The text as a model rewrites it, checked against it; `options` as in
        `POST /api/v1/text/rewrite`."""
        return await self._run(self._calls.write("rewrite", {"text": text, **options}))

    async def translate_text(self, text: str, to: str, **options: Any) -> dict[str, Any]:
        """A model's translation into a language (`de`, `pt-BR`)."""
        return await self._run(self._calls.write("translate", {"text": text, "to": to, **options}))

    async def create_collection(self, name: str | None = None, **options: Any) -> dict[str, Any]:
        """A collection of points; `options` as in `POST /api/v1/collections`."""
        return await self._run(self._calls.create_collection({"name": name, **options}))

    async def delete_collection(self, collection: str) -> None:
        """With all points, by its id or name."""
        await self._run(self._calls.delete_collection(collection))

    async def put_points(
        self, collection: str, points: Sequence[Mapping[str, Any]], **options: Any
    ) -> dict[str, Any]:
        """Stores up to 256 points (`id`, `text` or `vector`, `payload`) of a collection; those that
        are there already are replaced."""
        return await self._run(self._calls.put_points(collection, points, options))

    async def delete_points(
        self,
        collection: str,
        ids: Sequence[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Deletes the points with these ids, or those that pass a filter."""
        return await self._run(self._calls.delete_points(collection, ids, filter))

    async def query_collection(
        self, collection: str, text: str | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """The points that are most like a text or a `vector`, the best first; `options` as in
        `POST /api/v1/collections/{collection}/query`."""
        return await self._run(self._calls.query_collection(collection, text, options))

    async def tokenize(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> list[int]:
        """The token ids of a text or of a list of messages."""
        return await self._run(self._calls.tokenize(tokenize_body(prompt, model, options)))

    async def detokenize(self, tokens: Sequence[int], *, model: str = "nano") -> str:
        """The text of token ids."""
        return await self._run(self._calls.detokenize(tokens, model))

    async def clip(self, video: str, *, wait: bool = True, **options: Any) -> dict[str, Any]:
        """The job that makes clips of a video, with `clips`, once it has ended or at once.

        `timeout_s` bounds each request of it; a job may take longer.
        """
        return await self._run(self._calls.clip(video, wait, options))

    async def analyze_audio(
        self, video: str | None = None, *, wait: bool = True, **options: Any
    ) -> dict[str, Any]:
        """What is in a recording, how it sounds, what is said; of a long one once its job has
        ended, or at once the job. `options` as in `POST /api/v1/audio`: `file_id` or `url`
        name another source than a video."""
        return await self._run(self._calls.analyze_audio({"video": video}, wait, options))

    async def transcribe(
        self, file: str | Path, *, wait: bool = True, **options: Any
    ) -> dict[str, Any]:
        """The same for a file of this machine."""
        return await self._run(self._calls.transcribe(Path(file), wait, options))

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
        source = {"url": url, "file_id": file_id}
        return await self._run(self._calls.add_document(source, wait, options))

    async def send_document(
        self, file: str | Path, *, wait: bool = True, **options: Any
    ) -> dict[str, Any]:
        """The same for a file of this machine."""
        return await self._run(self._calls.send_document(Path(file), wait, options))

    async def get_document(self, document: str) -> dict[str, Any]:
        """How a document stands."""
        return await self._run(self._calls.get_document(document))

    async def delete_document(self, document: str) -> None:
        """No question is answered from it any more."""
        await self._run(self._calls.delete_document(document))

    async def summarize_document(self, document: str, **options: Any) -> dict[str, Any]:
        """The sentences that stand for the whole, with their places, or a model's summary;
        `options` as in `POST /api/v1/documents/{document}/summary`."""
        return await self._run(self._calls.summarize_document(document, options))

    async def ask_documents(self, question: str, **options: Any) -> dict[str, Any]:
        """The answer from documents, with citations; `options` as in
        `POST /api/v1/documents/ask`."""
        return await self._run(self._calls.ask_documents(question, options))

    async def create_batch(
        self,
        operation: str,
        items: Sequence[Mapping[str, Any]] | None = None,
        *,
        file: str | None = None,
    ) -> dict[str, Any]:
        """A batch of `items`, or of the lines of a file that `send_file` has sent. Items have a
        `body`, and may have a `custom_id`."""
        return await self._run(self._calls.create_batch(operation, items, file))

    async def get_batch(self, batch: str, *, wait: bool = False) -> dict[str, Any]:
        """How a batch stands, now or once it has ended, and the files with its outcomes."""
        return await self._run(self._calls.get_batch(batch, wait))

    async def cancel_batch(self, batch: str) -> dict[str, Any]:
        """Outcomes that are there stay."""
        return await self._run(self._calls.cancel_batch(batch))

    async def send_file(self, file: str | Path, *, purpose: str = "batch") -> str:
        """The id of the file."""
        return await self._run(self._calls.send_file(Path(file), purpose))

    async def file_content(self, file: str) -> bytes:
        """The bytes of a file, such as the `output_file` of a batch."""
        return await self._run(self._calls.file_content(file))

    async def upload(self, file: str | Path) -> str:
        """The id of the video made of a file. Continues after broken connections."""
        return await self._run(self._calls.upload(Path(file)))

    async def download(self, file: Mapping[str, Any], to: str | Path) -> None:
        """Save one of a clip's `files`. `to` is complete and has the right checksum, or is left
        as it was."""
        with Download(file, Path(to)) as target:
            response = await self._run(self._calls.download(file["url"]), stream=True)
            try:
                async for block in response.aiter_bytes():
                    target.write(block)
            except httpx.TransportError as error:
                raise problem_of_transport(error) from error
            finally:
                await response.aclose()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncMobula":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _events(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[Event, None]:
        reader = EventReader()
        response = await self._run(self._calls.stream(path, body), stream=True)
        try:
            async for line in response.aiter_lines():
                if (event := reader.read(line)) is not None:
                    yield event
        except httpx.TransportError as error:
            raise problem_of_transport(error) from error
        finally:
            await response.aclose()

    async def _run(self, call: Call[Answer], *, stream: bool = False) -> Answer:
        try:
            step = next(call)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = next(call)
                    continue
                try:
                    response = await self._http.send(step, stream=stream)
                    if stream and not response.is_success:
                        await response.aread()
                except httpx.TransportError as error:
                    step = call.throw(error)
                else:
                    step = call.send(response)
        except StopIteration as ended:
            answer: Answer = ended.value
            return answer
