"""`/api/v1/documents`: what is sent, read, indexed, listed and deleted."""

import asyncio

from tests.api.batches.batch_world import until
from tests.api.documents.documents_world import (
    MANUAL,
    OURS,
    READER,
    THEIRS,
    DocumentsWorld,
)

LONG = "\f".join(f"# Page {page}\n\nThe code of page {page} is K-{page}." for page in range(1, 31))


async def test_a_small_document_is_readable_in_the_answer_and_then_indexed(
    world: DocumentsWorld,
) -> None:
    sent = await world.send()

    answer = sent.json()
    assert (sent.status_code, answer["state"]) == (201, "readable")
    assert sent.headers["location"] == f"/api/v1/documents/{answer['id']}"
    assert (answer["format"], answer["pages"], answer["by"]) == ("text", 1, "plain@1")
    indexed = await world.ended(answer["id"])
    assert (indexed["state"], indexed["problem"]) == ("indexed", None)
    job = indexed["job"]

    async def is_over() -> bool:
        return (await world.documents.jobs.get("acme", job)).ended is not None

    await until(is_over)
    assert (await world.ask("GET", f"/{answer['id']}")).json()["language"] == "en"
    assert [place["state"] for place in indexed["collections"]] == ["indexed"]
    assert indexed["collections"][0]["points"] == indexed["chunks"] > 1
    assert world.pages_used() == [1]


async def test_a_long_document_is_read_by_a_job_with_parts(world: DocumentsWorld) -> None:
    sent = await world.send(LONG)

    assert (sent.status_code, sent.json()["state"]) == (202, "reading")
    assert sent.headers["location"] == f"/api/v1/jobs/{sent.json()['job']}"
    indexed = await world.ended(sent.json()["id"])
    assert (indexed["state"], indexed["pages"], indexed["blocks"]) == ("indexed", 30, 60)
    parts = await world.documents.jobs.parts("acme", indexed["job"])
    assert [part.data for part in parts] == [
        {"first_page": 1, "last_page": 20},
        {"first_page": 21, "last_page": 30},
    ]
    assert sum(world.pages_used()) == 30
    assert await world.documents.objects.used("acme") == 0


async def test_the_same_bytes_are_the_same_document_for_one_tenant_only(
    world: DocumentsWorld,
) -> None:
    first = await world.added()
    again = await world.send(name="copy.txt")
    theirs = await world.send(key=THEIRS)

    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    assert theirs.status_code == 201
    assert theirs.json()["id"] != first["id"]
    assert len(world.reader.pages) == 2


async def test_two_who_send_the_same_at_once_get_one_document(world: DocumentsWorld) -> None:
    answers = await asyncio.gather(*(world.send() for _ in range(4)))

    assert len({answer.json()["id"] for answer in answers}) == 1
    assert {answer.status_code for answer in answers} <= {200, 201}


async def test_text_blocks_and_chunks_say_what_the_document_says(world: DocumentsWorld) -> None:
    id = (await world.added())["id"]

    text = await world.ask("GET", f"/{id}/text")
    markdown = await world.ask("GET", f"/{id}/text", params={"format": "markdown"})
    blocks = (await world.ask("GET", f"/{id}/blocks", params={"limit": 2})).json()
    rest = (await world.ask("GET", f"/{id}/blocks", params={"after": 1})).json()
    chunks = (await world.ask("GET", f"/{id}/chunks")).json()["data"]
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.text.startswith("Handbook\n\nThe handbook has been translated")
    assert "## Falcon X200\n\nThe Falcon X200 comes" in markdown.text
    assert [block["number"] for block in blocks["data"]] == [0, 1]
    assert blocks["next_after"] == 1
    assert rest["next_after"] is None
    whole = {block["number"]: block["text"] for block in blocks["data"] + rest["data"]}
    falcon = next(chunk for chunk in chunks if "warranty" in chunk["text"])
    assert falcon["heading"] == "Handbook > Falcon X200"
    first = whole[falcon["block"]][falcon["start"] :]
    assert falcon["text"].startswith(first)


async def test_what_another_tenant_sent_does_not_exist(world: DocumentsWorld) -> None:
    id = (await world.added())["id"]

    for method, path in (
        ("GET", f"/{id}"),
        ("GET", f"/{id}/text"),
        ("GET", f"/{id}/blocks"),
        ("GET", f"/{id}/chunks"),
        ("DELETE", f"/{id}"),
    ):
        answer = await world.ask(method, path, THEIRS)
        assert answer.status_code == 404, (method, path)
    assert (await world.ask("GET", key=THEIRS)).json()["data"] == []


async def test_listed_newest_first_by_state(world: DocumentsWorld) -> None:
    first = await world.added("One page.")
    second = await world.added("Another page.")

    listed = (await world.ask("GET", params={"limit": 1})).json()
    rest = (await world.ask("GET", params={"cursor": listed["next_cursor"]})).json()
    failed = (await world.ask("GET", params={"state": "failed"})).json()
    assert [each["id"] for each in listed["data"] + rest["data"]] == [second["id"], first["id"]]
    assert failed["data"] == []


async def test_a_damaged_document_is_refused_and_leaves_nothing(world: DocumentsWorld) -> None:
    sent = await world.send("BROKEN")

    assert sent.status_code == 400
    assert (await world.ask("GET")).json()["data"] == []
    assert await world.documents.objects.used("acme") == 0
    assert world.pages_used() == []


async def test_a_deleted_document_takes_its_points_along(world: DocumentsWorld) -> None:
    id = (await world.added())["id"]

    assert (await world.ask("DELETE", f"/{id}")).status_code == 204
    assert (await world.ask("GET", f"/{id}")).status_code == 404
    answer = await world.question("How long is the warranty of the Falcon X200?")
    assert (answer["found"], answer["sources"]) == (False, [])
    again = await world.send()
    assert again.status_code == 201


async def test_without_index_a_document_stays_readable(world: DocumentsWorld) -> None:
    sent = await world.send(index="false")

    answer = sent.json()
    assert (sent.status_code, answer["state"], answer["job"]) == (201, "readable", None)
    asked = await world.question("What?", documents=[answer["id"]])
    assert (asked["http"], asked["param"]) == (409, "documents")


async def test_reading_needs_one_scope_and_writing_another(world: DocumentsWorld) -> None:
    sent = await world.ask("POST", key=READER, files={"file": ("a.txt", b"Some text.")})
    nameless = await world.ask("GET", key=None)

    assert (sent.status_code, sent.json()["required_scope"]) == (403, "documents:write")
    assert (await world.ask("GET", key=READER)).status_code == 200
    assert nameless.status_code == 401


async def test_a_repetition_under_an_idempotency_key_is_one(world: DocumentsWorld) -> None:
    files = {"file": ("manual.txt", MANUAL.encode(), "text/plain")}
    headers = {"Idempotency-Key": "once"}

    first = await world.ask("POST", files=files, headers=headers)
    again = await world.ask("POST", key=OURS, files=files, headers=headers)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
