"""Jobs of documents: URLs, workers that die, documents that go meanwhile."""

import asyncio
from collections.abc import AsyncIterator

from deployments.files.model import NewFile
from tests.api.batches.batch_world import until
from tests.api.documents.documents_world import MANUAL, THEIRS, DocumentsWorld

LONG = "\f".join(f"# Page {page}\n\nThe code of page {page} is K-{page}." for page in range(1, 31))
URL = "https://cdn.example/manual.txt"


async def has_blocks(world: DocumentsWorld, id: str, count: int) -> bool:
    found = (await world.ask("GET", f"/{id}/blocks", params={"limit": 1_000})).json()
    return len(found["data"]) >= count


async def test_a_document_is_fetched_from_a_url(world: DocumentsWorld) -> None:
    world.served["/manual.txt"] = MANUAL.encode()

    ordered = await world.ask("POST", json={"url": URL})
    assert (ordered.status_code, ordered.json()["state"]) == (202, "reading")
    found = await world.ended(ordered.json()["id"])
    assert (found["state"], found["name"]) == ("indexed", "manual.txt")
    assert (await world.question("How many years is the warranty of the Falcon X200?"))["found"]


async def test_a_url_that_gives_nothing_fails_the_document(world: DocumentsWorld) -> None:
    ordered = await world.ask("POST", json={"url": URL})

    found = await world.ended(ordered.json()["id"])
    assert (found["state"], found["problem"]["slug"]) == ("failed", "source-refused")
    asked = await world.question("What?", documents=[found["id"]])
    assert (asked["http"], "retry_after_s" in asked) == (409, False)


async def test_a_private_url_is_refused_at_once(world: DocumentsWorld) -> None:
    ordered = await world.ask("POST", json={"url": "https://inside.example/a"})

    assert ordered.status_code == 400
    assert (await world.ask("GET")).json()["data"] == []


async def test_a_fetched_document_that_is_known_leads_to_the_known_one(
    world: DocumentsWorld,
) -> None:
    known = await world.added()
    world.served["/manual.txt"] = MANUAL.encode()

    ordered = (await world.ask("POST", json={"url": URL})).json()

    async def leads_there() -> bool:
        found = (await world.ask("GET", f"/{ordered['id']}")).json()
        return bool(found["id"] == known["id"])

    await until(leads_there)
    assert len((await world.ask("GET")).json()["data"]) == 1
    assert len(world.reader.pages) == 1


async def test_after_a_worker_has_gone_another_goes_on_where_it_was(world: DocumentsWorld) -> None:
    world.reader.hold, world.reader.held_page = asyncio.Event(), 25
    id = (await world.send(LONG)).json()["id"]
    await until(lambda: has_blocks(world, id, 40))
    await world.jobs.close()
    world.reader.hold = None
    first = list(world.reader.pages)
    other = world.make_worker()
    await other.start()
    try:
        found = await world.ended(id)
    finally:
        await other.close()

    second = world.reader.pages[len(first) :]
    assert (found["state"], found["blocks"], found["pages"]) == ("indexed", 60, 30)
    assert (first[:20], second) == (list(range(1, 21)), list(range(21, 31)))
    assert sum(world.pages_used()) == 30
    text = (await world.ask("GET", f"/{id}/text")).text
    assert [f"The code of page {page} is" in text for page in (1, 20, 21, 30)] == [True] * 4


async def test_a_document_that_is_deleted_while_it_is_read_leaves_nothing(
    world: DocumentsWorld,
) -> None:
    world.reader.hold, world.reader.held_page = asyncio.Event(), 25
    sent = (await world.send(LONG)).json()
    await until(lambda: has_blocks(world, sent["id"], 40))

    assert (await world.ask("DELETE", f"/{sent['id']}")).status_code == 204
    world.reader.hold.set()

    async def is_over() -> bool:
        return (await world.documents.jobs.get("acme", sent["job"])).ended is not None

    await until(is_over)
    assert await world.documents.objects.used("acme") == 0
    async with world.database.read() as connection:
        assert await world.documents.store.blocks(connection, "acme", sent["id"]) == ()


async def test_a_file_of_files_is_read_and_stays(world: DocumentsWorld) -> None:
    files = world.documents.files

    async def content() -> AsyncIterator[bytes]:
        yield MANUAL.encode()

    staged = await files.receive("acme", content(), "text/plain", 1 << 20)
    file = await files.add(staged, NewFile("acme", "key", "user_data", "m.txt", "text/plain"))
    sent = await world.ask("POST", json={"file_id": file.id})
    assert (sent.status_code, sent.json()["name"]) == (201, "m.txt")
    await world.ended(sent.json()["id"])
    assert (await files.get("acme", file.id)).bytes == len(MANUAL)
    assert (await world.ask("POST", "", THEIRS, json={"file_id": file.id})).status_code == 404
