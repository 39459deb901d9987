"""Files and batches as OpenAI's own client uses them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import openai
import pytest

from deployments.ingress.routes import openai_files
from tests.api.batches.batch_world import OURS, THEIRS, BatchWorld, until
from tests.api.fakes import WordsModel
from tests.api.web import client_of

CHAT = "/v1/chat/completions"
HELLO = {"model": "words", "messages": [{"role": "user", "content": "hi"}]}


def line(name: str, body: Mapping[str, Any] = HELLO, url: str = CHAT) -> str:
    return json.dumps({"custom_id": name, "method": "POST", "url": url, "body": body})


@pytest.fixture
async def ours(world: BatchWorld) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_of(world.app, None) as http:
        yield openai.AsyncOpenAI(
            api_key=OURS, base_url="http://mobula.test/v1", http_client=http, max_retries=0
        )


@pytest.fixture
async def theirs(world: BatchWorld) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_of(world.app, None) as http:
        yield openai.AsyncOpenAI(
            api_key=THEIRS, base_url="http://mobula.test/v1", http_client=http, max_retries=0
        )


async def sent(client: openai.AsyncOpenAI, content: bytes | Iterable[str]) -> str:
    data = content if isinstance(content, bytes) else "\n".join(content).encode()
    return (await client.files.create(file=("work.jsonl", data), purpose="batch")).id


async def started(client: openai.AsyncOpenAI, file: str, endpoint: Any = CHAT) -> Any:
    return await client.batches.create(
        input_file_id=file,
        endpoint=endpoint,
        completion_window="24h",
        metadata={"campaign": "tea"},
    )


async def ended(client: openai.AsyncOpenAI, id: str) -> Any:
    async with asyncio.timeout(30):
        while (batch := await client.batches.retrieve(id)).status not in (  # noqa: ASYNC110
            "completed", "failed", "cancelled", "expired",
        ):  # fmt: skip
            await asyncio.sleep(0.01)
        return batch


async def run(client: openai.AsyncOpenAI, content: bytes | Iterable[str]) -> Any:
    return await ended(client, (await started(client, await sent(client, content))).id)


async def outputs(client: openai.AsyncOpenAI, file: str | None) -> list[Any]:
    assert file is not None
    text = (await client.files.content(file)).text
    return [json.loads(each) for each in text.splitlines()]


async def test_a_batch_over_a_file_ends_with_its_outputs_in_order(
    ours: openai.AsyncOpenAI, world: BatchWorld
) -> None:
    lines = [line(f"n{number}") for number in range(40)]
    lines[7] = line("n7", {**HELLO, "model": "none"})
    file = await sent(ours, lines)
    made = await started(ours, file)
    assert (made.object, made.status, made.endpoint) == ("batch", "validating", CHAT)
    batch = await ended(ours, made.id)

    assert (batch.status, batch.metadata) == ("completed", {"campaign": "tea"})
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (40, 39, 1)
    assert batch.expires_at == batch.created_at + 86_400
    assert batch.completed_at
    found = await outputs(ours, batch.output_file_id)
    assert [each["custom_id"] for each in found] == [f"n{n}" for n in range(40) if n != 7]
    answer = found[0]["response"]
    assert (answer["status_code"], answer["body"]["object"]) == (200, "chat.completion")
    (failed,) = await outputs(ours, batch.error_file_id)
    assert failed["custom_id"] == "n7"
    assert failed["response"]["status_code"] == 404
    assert failed["response"]["body"]["error"]["code"] == "model_not_found"
    assert len(world.records.usage) == 39


async def test_files_are_listed_shown_and_deleted(ours: openai.AsyncOpenAI) -> None:
    made = await ours.files.create(
        file=("../notes.txt", b"abc"),
        purpose="user_data",
        expires_after={"anchor": "created_at", "seconds": 3_600},
    )
    other = await sent(ours, [line("a")])

    assert (made.filename, made.bytes, made.purpose) == ("notes.txt", 3, "user_data")
    assert made.expires_at == made.created_at + 3_600
    assert [each.id async for each in await ours.files.list(limit=1)] == [other, made.id]
    assert [each.id for each in (await ours.files.list(purpose="batch")).data] == [other]
    assert (await ours.files.content(made.id)).content == b"abc"
    assert (await ours.files.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await ours.files.retrieve(made.id)


async def test_batches_are_listed_by_the_id_of_the_last(ours: openai.AsyncOpenAI) -> None:
    file = await sent(ours, [line("a")])
    made = [(await started(ours, file)).id for _ in range(3)]

    assert [each.id async for each in await ours.batches.list(limit=2)] == made[::-1]


async def test_cancelling_keeps_what_is_done(ours: openai.AsyncOpenAI, model: WordsModel) -> None:
    model.hold = asyncio.Event()
    none = {**HELLO, "model": "none"}
    lines = [line("a", none), line("b"), line("c", none), *(line(f"d{n}") for n in range(50))]
    made = await started(ours, await sent(ours, lines))

    async def is_called() -> bool:
        return len(model.requests) >= 7

    await until(is_called)
    assert (await ours.batches.cancel(made.id)).status in ("cancelling", "cancelled")
    batch = await ended(ours, made.id)

    assert (batch.status, batch.output_file_id) == ("cancelled", None)
    assert batch.request_counts.failed == 2
    found = await outputs(ours, batch.error_file_id)
    assert [each["custom_id"] for each in found] == ["a", "c"]


FAULTS: dict[str, tuple[bytes, str, int | None]] = {
    "a broken line": (f"{line('a')}\n{{\n".encode(), "invalid_json_line", 2),
    "a doubled name": (f"{line('a')}\n\n{line('a')}".encode(), "duplicate_custom_id", 3),
    "an empty file": (b"\xef\xbb\xbf\r\n\n", "empty_file", None),
    "a NUL": (line("a").encode() + b"\x00", "invalid_json_line", 1),
    "a NUL in a name": (line("a\x00").encode(), "invalid_custom_id", 1),
    "no UTF-8": (line("a").encode().replace(b"hi", b"\xff\xfe"), "invalid_json_line", 1),
    "another endpoint": (line("a", url="/v1/embeddings").encode(), "mismatched_url", 1),
    "no object": (b"[1]", "invalid_json_line", 1),
    "no name": (b'{"body": {}}', "invalid_custom_id", 1),
    "no body": (b'{"custom_id": "a", "body": []}', "invalid_body", 1),
    "another method": (b'{"custom_id": "a", "method": "GET", "body": {}}', "invalid_method", 1),
    "deep JSON": (b'{"custom_id":"a","body":' + b"[" * 9_000, "invalid_json_line", 1),
    "a line over 1 MiB": (
        line("a", {"x": "y" * (1 << 20)}).encode() + b"\n", "line_too_large", 1,
    ),
    "too many lines": (b"{}\n" * 50, "invalid_custom_id", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
async def test_a_file_with_a_fault_is_refused_by_line(ours: openai.AsyncOpenAI, name: str) -> None:
    content, code, number = FAULTS[name]
    batch = await run(ours, content)

    assert (batch.status, batch.request_counts.total) == ("failed", 0)
    assert batch.failed_at
    first = batch.errors.data[0]
    assert (first.code, first.line) == (code, number)


async def test_byte_order_marks_and_line_ends_of_windows_are_read(
    ours: openai.AsyncOpenAI,
) -> None:
    text = f"\ufeff{line('a')}\r\n\r\n{line('b')}\r\n"
    batch = await run(ours, text.encode())

    assert (batch.status, batch.request_counts.completed) == ("completed", 2)


async def test_a_file_of_another_tenant_or_purpose_makes_no_batch(
    ours: openai.AsyncOpenAI, theirs: openai.AsyncOpenAI
) -> None:
    file = await sent(ours, [line("a")])
    notes = await ours.files.create(file=b"{}", purpose="user_data")

    with pytest.raises(openai.NotFoundError):
        await started(theirs, file)
    for call in (theirs.files.retrieve, theirs.files.content, theirs.files.delete):
        with pytest.raises(openai.NotFoundError):
            await call(file)
    with pytest.raises(openai.BadRequestError, match="purpose 'user_data'"):
        await started(ours, notes.id)
    with pytest.raises(openai.BadRequestError, match="No operation '/v1/nothing'"):
        await started(ours, file, "/v1/nothing")
    with pytest.raises(openai.BadRequestError, match="purpose: must be one of"):
        await ours.files.create(file=b"{}", purpose="batch_output")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("/v1/embeddings", {"model": "letters", "input": "hi"}),
        ("/v1/completions", {"model": "words", "prompt": "hi"}),
        ("/api/v1/captions", {"topic": "tea"}),
        ("captions", {"topic": "tea"}),
    ],
)
async def test_any_operation_is_called_by_its_path_or_name(
    ours: openai.AsyncOpenAI, endpoint: str, body: dict[str, Any]
) -> None:
    file = await sent(ours, [line("a", body, endpoint)])
    batch = await ended(ours, (await started(ours, file, endpoint)).id)

    (found,) = await outputs(ours, batch.output_file_id)
    assert found["response"]["status_code"] == 200


async def test_the_same_batch_is_one_of_our_own(
    ours: openai.AsyncOpenAI, world: BatchWorld
) -> None:
    file = await sent(ours, ['{"custom_id": "a", "body": {"topic": "tea"}}'])
    made = await world.ask("POST", json={"operation": "captions", "input_file": file})
    own = await world.ended(made.json()["id"])

    assert (own["status"], own["input_file"]) == ("completed", file)
    assert own["counts"] == {"total": 1, "succeeded": 1, "failed": 0, "pending": 0}
    assert (await outputs(ours, own["output_file"]))[0]["custom_id"] == "a"
    assert (await world.ask("GET", f"/{own['id']}/items")).status_code == 409
    assert (await ours.batches.retrieve(own["id"])).status == "completed"


async def test_an_output_is_deleted_only_after_its_batch(
    ours: openai.AsyncOpenAI, model: WordsModel
) -> None:
    batch = await run(ours, [line("a")])

    assert (await ours.files.delete(batch.output_file_id)).deleted
    assert (await ours.batches.retrieve(batch.id)).output_file_id == batch.output_file_id


async def test_a_file_over_the_limit_of_its_purpose_is_not_stored(
    ours: openai.AsyncOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_files, "MAX_BATCH_BYTES", 100)

    await ours.files.create(file=b"x" * 101, purpose="user_data")
    await ours.files.create(file=b"x" * 100, purpose="batch")
    with pytest.raises(openai.APIStatusError) as refused:
        await ours.files.create(file=b"x" * 101, purpose="batch")
    assert refused.value.status_code == 413
    assert len((await ours.files.list()).data) == 2


async def test_fields_of_a_form_come_in_any_order(
    world: BatchWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_files, "MAX_BATCH_BYTES", 100)

    async def send(size: int, *after: tuple[str, tuple[None, bytes]]) -> int:
        parts: list[Any] = [("file", ("a.jsonl", b"x" * size)), *after]
        async with client_of(world.app, OURS) as client:
            return (await client.post("/v1/files", files=parts)).status_code

    assert await send(100, ("purpose", (None, b"batch"))) == 200
    assert await send(101, ("purpose", (None, b"batch"))) == 413
    assert await send(1, ("purpose", (None, b"fun"))) == 400
    assert await send(1) == 400
    assert await send(1, ("purpose", (None, b"batch")), ("more", (None, b"x"))) == 400
    seconds = ("expires_after[seconds]", (None, b"3599"))
    assert await send(1, ("purpose", (None, b"batch")), seconds) == 400
    async with client_of(world.app, OURS) as client:
        assert len((await client.get("/v1/files")).json()["data"]) == 1
