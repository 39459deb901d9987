"""The client for blocking code: `Mobula(url, api_key)`, with the methods of `AsyncMobula`."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
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


class Mobula:
    """Use as `with`, or call `close`. The methods are described in `AsyncMobula`."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_s: float = 60.0,
        priority: str | None = None,
        max_retries: int = 2,
        http: httpx.Client | None = None,
    ) -> None:
        options = Options(api_key, timeout_s, priority, max_retries)
        self._http = http or httpx.Client()
        self._calls = Calls(url, options, self._http.build_request)

    def with_options(self, **changes: Any) -> "Mobula":
        changed = object.__new__(Mobula)
        changed._http, changed._calls = self._http, self._calls.changed(changes)
        return changed

    def chat(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> ChatResponse:
        return self._run(self._calls.chat(chat_body(prompt, model, options)))

    def stream_chat(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> Iterator[str]:
        with closing(self._events(CHAT, chat_body(prompt, model, options))) as events:
            for _, chunk in events:
                yield from first_choice_texts(chunk)

    def caption(
        self, topic: str | None = None, *, platform: str = "instagram", **brief: Any
    ) -> ContentResponse:
        body = {"topic": topic, "platform": platform, **brief}
        return self._run(self._calls.content(CAPTIONS, body))

    def stream_caption(
        self, topic: str | None = None, *, platform: str = "instagram", **brief: Any
    ) -> Iterator[Event]:
        return self._events(CAPTIONS, {"topic": topic, "platform": platform, **brief})

    def post(self, topic: str | None = None, **brief: Any) -> ContentResponse:
        return self._run(self._calls.content(POSTS, {"topic": topic, **brief}))

    def caption_batch(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return self._run(self._calls.batch(CAPTIONS, items))

    def post_batch(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return self._run(self._calls.batch(POSTS, items))

    def embed(
        self, texts: str | Sequence[str], *, model: str = "minilm", **options: Any
    ) -> list[list[float]]:
        return self._run(self._calls.embed(texts, model, options))

    def rerank(
        self,
        query: str,
        documents: Sequence[str | Mapping[str, Any]],
        *,
        model: str = "minilm",
        **options: Any,
    ) -> list[dict[str, Any]]:
        return self._run(self._calls.rerank(query, documents, model, options))

    def moderate(
        self, texts: str | Sequence[str], *, model: str | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        return self._run(self._calls.moderate(texts, model, options))

    def analyze_text(
        self,
        texts: str | Sequence[str],
        operations: Sequence[str] | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        language: str | None = None,
    ) -> Any:
        return self._run(self._calls.analyze_text(texts, operations, options, language))

    def optimize_post(self, text: str, **options: Any) -> dict[str, Any]:
        return self._run(self._calls.improve("optimize", {"text": text, **options}))

    def best_time_to_post(
        self, outcomes: Sequence[Mapping[str, Any]], **options: Any
    ) -> dict[str, Any]:
        return self._run(self._calls.best_time(outcomes, options))

    def summarize_text(self, text: str, **options: Any) -> dict[str, Any]:
        return self._run(self._calls.write("summarize", {"text": text, **options}))

    def rewrite_text(self, text: str, **options: Any) -> dict[str, Any]:
        return self._run(self._calls.write("rewrite", {"text": text, **options}))

    def translate_text(self, text: str, to: str, **options: Any) -> dict[str, Any]:
        return self._run(self._calls.write("translate", {"text": text, "to": to, **options}))

    def create_collection(self, name: str | None = None, **options: Any) -> dict[str, Any]:
        return self._run(self._calls.create_collection({"name": name, **options}))

    def delete_collection(self, collection: str) -> None:
        self._run(self._calls.delete_collection(collection))

    def put_points(
        self, collection: str, points: Sequence[Mapping[str, Any]], **options: Any
    ) -> dict[str, Any]:
        return self._run(self._calls.put_points(collection, points, options))

    def delete_points(
        self,
        collection: str,
        ids: Sequence[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        return self._run(self._calls.delete_points(collection, ids, filter))

    def query_collection(
        self, collection: str, text: str | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        return self._run(self._calls.query_collection(collection, text, options))

    def tokenize(self, prompt: Prompt, *, model: str = "nano", **options: Any) -> list[int]:
        return self._run(self._calls.tokenize(tokenize_body(prompt, model, options)))

    def detokenize(self, tokens: Sequence[int], *, model: str = "nano") -> str:
        return self._run(self._calls.detokenize(tokens, model))

    def clip(self, video: str, *, wait: bool = True, **options: Any) -> dict[str, Any]:
        return self._run(self._calls.clip(video, wait, options))

    def analyze_audio(
        self, video: str | None = None, *, wait: bool = True, **options: Any
    ) -> dict[str, Any]:
        return self._run(self._calls.analyze_audio({"video": video}, wait, options))

    def transcribe(self, file: str | Path, *, wait: bool = True, **options: Any) -> dict[str, Any]:
        return self._run(self._calls.transcribe(Path(file), wait, options))

    def add_document(
        self,
        *,
        url: str | None = None,
        file_id: str | None = None,
        wait: bool = True,
        **options: Any,
    ) -> dict[str, Any]:
        return self._run(self._calls.add_document({"url": url, "file_id": file_id}, wait, options))

    def send_document(
        self, file: str | Path, *, wait: bool = True, **options: Any
    ) -> dict[str, Any]:
        return self._run(self._calls.send_document(Path(file), wait, options))

    def get_document(self, document: str) -> dict[str, Any]:
        return self._run(self._calls.get_document(document))

    def delete_document(self, document: str) -> None:
        self._run(self._calls.delete_document(document))

    def summarize_document(self, document: str, **options: Any) -> dict[str, Any]:
        return self._run(self._calls.summarize_document(document, options))

    def ask_documents(self, question: str, **options: Any) -> dict[str, Any]:
        return self._run(self._calls.ask_documents(question, options))

    def create_batch(
        self,
        operation: str,
        items: Sequence[Mapping[str, Any]] | None = None,
        *,
        file: str | None = None,
    ) -> dict[str, Any]:
        return self._run(self._calls.create_batch(operation, items, file))

    def get_batch(self, batch: str, *, wait: bool = False) -> dict[str, Any]:
        return self._run(self._calls.get_batch(batch, wait))

    def cancel_batch(self, batch: str) -> dict[str, Any]:
        return self._run(self._calls.cancel_batch(batch))

    def send_file(self, file: str | Path, *, purpose: str = "batch") -> str:
        return self._run(self._calls.send_file(Path(file), purpose))

    def file_content(self, file: str) -> bytes:
        return self._run(self._calls.file_content(file))

    def upload(self, file: str | Path) -> str:
        return self._run(self._calls.upload(Path(file)))

    def download(self, file: Mapping[str, Any], to: str | Path) -> None:
        with Download(file, Path(to)) as target:
            response = self._run(self._calls.download(file["url"]), stream=True)
            try:
                for block in response.iter_bytes():
                    target.write(block)
            except httpx.TransportError as error:
                raise problem_of_transport(error) from error
            finally:
                response.close()

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> "Mobula":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _events(self, path: str, body: Mapping[str, Any]) -> Generator[Event, None, None]:
        reader = EventReader()
        response = self._run(self._calls.stream(path, body), stream=True)
        try:
            for line in response.iter_lines():
                if (event := reader.read(line)) is not None:
                    yield event
        except httpx.TransportError as error:
            raise problem_of_transport(error) from error
        finally:
            response.close()

    def _run(self, call: Call[Answer], *, stream: bool = False) -> Answer:
        try:
            step = next(call)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = next(call)
                    continue
                try:
                    response = self._http.send(step, stream=stream)
                    if stream and not response.is_success:
                        response.read()
                except httpx.TransportError as error:
                    step = call.throw(error)
                else:
                    step = call.send(response)
        except StopIteration as ended:
            answer: Answer = ended.value
            return answer
