"""Rows of documents, on both stores."""

from typing import cast

import pytest
from sqlalchemy.exc import IntegrityError

from cluster.blobs.files import TenantFiles
from cluster.collections.model import PointDraft
from cluster.runtime.problems import NotFound
from deployments.contracts.jobs import JobResult
from deployments.documents.index_stage import point_id
from deployments.documents.model import DocumentPlace, DocumentQuotaExceeded, NewPlace
from deployments.documents.removal import DocumentRemover
from tests.contract.documents.conftest import StoredDocuments, block, chunk, document


async def test_a_document_is_its_tenants_alone(stored: StoredDocuments) -> None:
    await stored.do("add", document())

    found = await stored.do("get", "acme", "doc_1")
    assert (found.id, found.notes, found.problem) == ("doc_1", [], None)
    for other in (("other", "doc_1"), ("acme", "doc_2"), ("acme", "no id!")):
        with pytest.raises(NotFound):
            await stored.do("get", *other)
    assert await stored.do("find", "other", found.sha256) is None


async def test_the_same_bytes_are_stored_once_a_tenant(stored: StoredDocuments) -> None:
    await stored.do("add", document("doc_1"))
    await stored.do("add", document("doc_2", "other", sha256=document("doc_1").sha256))

    with pytest.raises(IntegrityError):
        await stored.do("add", document("doc_3", sha256=document("doc_1").sha256))


async def test_pages_go_on_where_the_one_before_ended(stored: StoredDocuments) -> None:
    for number in range(3):
        await stored.do("add", document(f"doc_{number}", created=float(number)))

    first = await stored.do("page", "acme", state=None, limit=2, cursor=None)
    rest = await stored.do("page", "acme", state="readable", limit=2, cursor=first.next)
    assert [each.id for each in (*first.items, *rest.items)] == ["doc_2", "doc_1", "doc_0"]
    assert rest.next is None


async def test_too_many_documents_and_too_much_text_are_refused(stored: StoredDocuments) -> None:
    for number in range(3):
        await stored.do("add", document(f"doc_{number}", characters=300))

    with pytest.raises(DocumentQuotaExceeded):
        await stored.do("add", document("doc_3"))
    with pytest.raises(DocumentQuotaExceeded):
        await stored.do("check_room", "acme", 101)
    await stored.do("check_room", "acme", 100)
    await stored.do("add", document("doc_3", "other"))


async def test_what_a_job_left_unfinished_has_failed_as_it_did(stored: StoredDocuments) -> None:
    job = await stored.job("doc_1")
    await stored.do("add", document(state="reading", job=job.id))
    assert (await stored.do("get", "acme", "doc_1")).state == "reading"

    await stored.jobs.cancel("acme", job.id)

    found = await stored.do("get", "acme", "doc_1")
    failed = await stored.do("page", "acme", state="failed", limit=9, cursor=None)
    reading = await stored.do("page", "acme", state="reading", limit=9, cursor=None)
    assert (found.state, found.problem["slug"]) == ("failed", "document-canceled")
    assert [each.id for each in failed.items] == ["doc_1"]
    assert reading.items == ()


async def test_one_whose_job_is_gone_has_failed_too_and_indexed_stays(
    stored: StoredDocuments,
) -> None:
    await stored.do("add", document("doc_1", job="job_gone"))
    await stored.do("add", document("doc_2", state="indexed", job="job_gone"))

    assert (await stored.do("get", "acme", "doc_1")).state == "failed"
    assert (await stored.do("get", "acme", "doc_2")).state == "indexed"


async def test_blocks_come_in_order_a_page_at_a_time(stored: StoredDocuments) -> None:
    await stored.do("add", document())
    await stored.do("add_blocks", "acme", "doc_1", 0, [block("a"), block("b", 2)])
    await stored.do("add_blocks", "acme", "doc_1", 2, [block("c", 2)])

    some = await stored.do("blocks", "acme", "doc_1", after=0, limit=2)
    named = await stored.do("blocks", "acme", "doc_1", numbers={0, 2})
    assert [(each.number, each.page, each.text) for each in some] == [(1, 2, "b"), (2, 2, "c")]
    assert [each.text for each in named] == ["a", "c"]
    assert tuple(named[0].box) == (0.1, 0.2, 0.3, 0.4)
    assert await stored.do("blocks", "other", "doc_1") == ()


async def test_chunks_are_replaced_as_a_whole(stored: StoredDocuments) -> None:
    await stored.do("replace_chunks", "acme", "doc_1", [chunk(0), chunk(1)])
    await stored.do("replace_chunks", "acme", "doc_1", [chunk(0, "Other.")])

    assert await stored.do("chunks", "acme", "doc_1") == (chunk(0, "Other."),)


async def test_a_place_waits_until_it_is_indexed_and_is_there_once(
    stored: StoredDocuments,
) -> None:
    collection = await stored.indexed()
    await stored.do("place", "acme", "doc_1", NewPlace(collection.id, {"words": 9}))

    waiting = await stored.do("unindexed", "acme", ["doc_1"], collection.id)
    done = DocumentPlace(collection.id, "indexed", 2, {})
    await stored.do("set_place", "acme", "doc_1", done)
    assert [each.id for each in waiting] == ["doc_1"]
    assert await stored.do("unindexed", "acme", ["doc_1"], collection.id) == []
    assert await stored.do("places", "acme", "doc_1") == (done,)
    with pytest.raises(NotFound):
        await stored.do("unindexed", "other", ["doc_1"], collection.id)


async def test_a_deleted_document_leaves_no_row_and_no_point(stored: StoredDocuments) -> None:
    collection = await stored.indexed()
    await stored.do("add_blocks", "acme", "doc_1", 0, [block()])
    await stored.do("replace_chunks", "acme", "doc_1", [chunk(0), chunk(1)])
    points = [PointDraft(point_id("doc_1", number), "text") for number in range(2)]
    async with stored.database.begin() as connection:
        await stored.points.upsert(connection, "acme", collection, points)
    await stored.do("set_place", "acme", "doc_1", DocumentPlace(collection.id, "indexed", 2, {}))

    remover = DocumentRemover(
        stored.database, stored.store, stored.points, stored.jobs, cast(TenantFiles, None)
    )
    with pytest.raises(NotFound):
        await remover.remove("other", "doc_1")
    await remover.remove("acme", "doc_1")

    async with stored.database.read() as connection:
        left = await stored.points.list(connection, "acme", collection, 10)
        after = await stored.collections.get(connection, "acme", collection.id)
    assert (left.items, after.points) == ((), 0)
    assert await stored.do("blocks", "acme", "doc_1") == ()
    assert await stored.do("chunks", "acme", "doc_1") == ()
    with pytest.raises(NotFound):  # a job that still writes finds nothing to write to
        await stored.do(
            "set_place", "acme", "doc_1", DocumentPlace(collection.id, "indexed", 3, {})
        )


async def test_the_id_of_a_known_document_leads_to_the_one_before_it(
    stored: StoredDocuments,
) -> None:
    await stored.do("add", document("doc_1"))
    await stored.job("doc_2")
    lease = await stored.jobs.claim("worker", ["document"], 60.0)
    assert lease is not None
    await stored.jobs.finish(lease, JobResult("succeeded", {"document": "doc_1"}))

    assert (await stored.do("get", "acme", "doc_2")).id == "doc_1"
    with pytest.raises(NotFound):
        await stored.do("get", "other", "doc_2")
