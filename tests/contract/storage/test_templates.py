"""Templates on both databases: versions, labels, quotas, tests, and what another replica sees."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import select, update

from cluster.administration.actor import Actor
from cluster.administration.templates import TemplateService
from cluster.administration.unit_of_work import UnitOfWork
from cluster.audit.keys import AuditKeys
from cluster.audit.trail import AuditTrail
from cluster.auth.credential_directory import CredentialDirectory
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Conflict, NotFound, Problem
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.storage.tables import audit_records, template_versions
from cluster.templates.directory import TemplateDirectory
from cluster.templates.document import TemplateDocument
from cluster.templates.examples import TemplateExample, digest_of
from cluster.templates.model import (
    TemplateLimits,
    TemplateNotTested,
    TemplateQuotaExceeded,
)
from cluster.templates.repository import TemplateRepository
from cluster.tenants.caller import Caller, Scope
from tests.contract.storage.conftest import PEPPER

ACTOR = Actor(Caller("acme", "ana", frozenset({Scope.TENANT_WRITE})), "req_1")
MakeService = Callable[..., TemplateService]


def document(text: str = "Greet {{ name }}.") -> TemplateDocument:
    variables = {"name": {}} if "name" in text else {}
    return TemplateDocument.model_validate({"text": text, "variables": variables})


def example(text: str = "hi") -> TemplateExample:
    return TemplateExample.model_validate({"expect": {"contains": [text]}})


@pytest.fixture
async def make(
    database: Database, directory: CredentialDirectory, clock: ManualClock, tmp_path: Path
) -> AsyncIterator[MakeService]:
    trail = AuditTrail(database, "test", AuditKeys.derive(PEPPER), tmp_path / "audit", clock)
    unit = UnitOfWork(database, trail, directory, clock, lambda *_: None)

    def make(**limits: int) -> TemplateService:
        return TemplateService(unit, TemplateLimits(**limits))

    yield make
    await trail.close()


@pytest.fixture
def service(make: MakeService) -> TemplateService:
    return make()


def found_by(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> TemplateDirectory:
    repository = TemplateRepository(directory.secret_of, clock)
    return TemplateDirectory(database, repository, directory.template_generation)


async def text_of(templates: TemplateDirectory, *asked: object, tenant: str = "acme") -> str:
    version, compiled = await templates.find(tenant, "greeting", *asked)  # type: ignore[arg-type]
    return f"{version}: {compiled.document.text}"


async def test_a_template_begins_with_a_draft(service: TemplateService) -> None:
    made = await service.create(ACTOR, "acme", "greeting", document(), examples=[example()])

    assert (made.latest, made.labels) == (1, {})
    template, examples = await service.get("acme", "greeting")
    version = await service.version("acme", "greeting", 1)
    assert (template, examples) == (made, (example(),))
    assert (version.document, version.author, version.activated) == (document(), "key:ana", None)


async def test_a_name_is_taken_once_in_each_tenant(service: TemplateService) -> None:
    await service.create(ACTOR, "acme", "greeting", document())
    await service.create(ACTOR, "other", "greeting", document("Theirs"))

    with pytest.raises(Conflict):
        await service.create(ACTOR, "acme", "greeting", document())


async def test_versions_are_numbered_and_a_number_is_never_used_again(
    service: TemplateService,
) -> None:
    await service.create(ACTOR, "acme", "greeting", document())
    for text in ("two", "three"):
        await service.create_version(ACTOR, "acme", "greeting", document(text), note=text)

    await service.delete_version(ACTOR, "acme", "greeting", 3)
    four = await service.create_version(ACTOR, "acme", "greeting", document("four"))

    assert four.number == 4
    first = await service.versions("acme", "greeting", 2, None)
    rest = await service.versions("acme", "greeting", 2, int(first.next or 0))
    assert [each.number for each in first.items] == [4, 2]
    assert [each.number for each in rest.items] == [1]
    assert rest.next is None


async def test_a_version_on_another_base_is_refused(service: TemplateService) -> None:
    await service.create(ACTOR, "acme", "greeting", document())
    await service.create_version(ACTOR, "acme", "greeting", document("two"), base=1)

    with pytest.raises(Conflict, match="the last version of 'greeting' is 2, not 1"):
        await service.create_version(ACTOR, "acme", "greeting", document("three"), base=1)


async def test_a_rollback_returns_to_what_was_active_before(service: TemplateService) -> None:
    await service.create(ACTOR, "acme", "greeting", document())
    await service.create_version(ACTOR, "acme", "greeting", document("two"))
    await service.create_version(ACTOR, "acme", "greeting", document("three"))
    with pytest.raises(Conflict):
        await service.rollback(ACTOR, "acme", "greeting")
    await service.activate(ACTOR, "acme", "greeting", 1)
    await service.activate(ACTOR, "acme", "greeting", 2)

    back = await service.rollback(ACTOR, "acme", "greeting")
    forth = await service.rollback(ACTOR, "acme", "greeting")
    named = await service.rollback(ACTOR, "acme", "greeting", 1)

    assert [move.version for move in (back, forth, named)] == [1, 2, 1]
    with pytest.raises(Conflict, match="was never active"):
        await service.rollback(ACTOR, "acme", "greeting", 3)
    with pytest.raises(Conflict, match="points to version 1"):
        await service.delete_version(ACTOR, "acme", "greeting", 1)


async def test_labels_are_moved_by_themselves(service: TemplateService) -> None:
    await service.create(ACTOR, "acme", "greeting", document())
    await service.create_version(ACTOR, "acme", "greeting", document("two"))

    await service.activate(ACTOR, "acme", "greeting", 1)
    await service.activate(ACTOR, "acme", "greeting", 2, "staging")

    template, _ = await service.get("acme", "greeting")
    assert template.labels == {"production": 1, "staging": 2}


async def test_a_template_that_requires_tests_activates_what_has_passed_them(
    service: TemplateService,
) -> None:
    await service.create(ACTOR, "acme", "greeting", document(), require_tests=True)
    with pytest.raises(TemplateNotTested, match="no examples"):
        await service.activate(ACTOR, "acme", "greeting", 1)
    await service.update(ACTOR, "acme", "greeting", examples=[example()])
    with pytest.raises(TemplateNotTested, match="has not passed"):
        await service.activate(ACTOR, "acme", "greeting", 1)

    await service.record_test(ACTOR, "acme", "greeting", 1, digest_of([example()]), 1)
    await service.activate(ACTOR, "acme", "greeting", 1)

    await service.update(ACTOR, "acme", "greeting", examples=[example("other")])
    with pytest.raises(TemplateNotTested, match="as they are now"):
        await service.activate(ACTOR, "acme", "greeting", 1, "staging")


@pytest.mark.parametrize(
    ("limits", "param"),
    [
        pytest.param({"max_count": 1}, "id", id="templates"),
        pytest.param({"max_versions": 1}, "version", id="versions"),
        pytest.param({"max_bytes": 120}, "version", id="bytes"),
    ],
)
async def test_what_is_over_a_quota_is_refused_and_not_stored(
    make: MakeService, limits: dict[str, int], param: str
) -> None:
    service = make(**limits)
    await service.create(ACTOR, "acme", "greeting", document("x" * 60))

    over = (
        service.create(ACTOR, "acme", "second", document())
        if "max_count" in limits
        else service.create_version(ACTOR, "acme", "greeting", document("y" * 60))
    )
    with pytest.raises(TemplateQuotaExceeded) as refused:
        await over

    assert refused.value.extensions == {"param": param, "limit": next(iter(limits.values()))}
    assert len((await service.list("acme", 50, None)).items) == 1
    assert len((await service.versions("acme", "greeting", 50, None)).items) == 1
    await service.create(ACTOR, "other", "greeting", document())  # has a quota of its own


async def test_another_tenants_templates_are_not_found(
    service: TemplateService,
    database: Database,
    directory: CredentialDirectory,
    clock: ManualClock,
) -> None:
    await service.create(ACTOR, "acme", "greeting", document())
    await service.activate(ACTOR, "acme", "greeting", 1)

    for work in (
        service.get("other", "greeting"),
        service.version("other", "greeting", 1),
        service.versions("other", "greeting", 50, None),
        service.resolve("other", "greeting", 1, None),
        service.diff("other", "greeting", 1, 1),
        service.update(ACTOR, "other", "greeting", description="x"),
        service.create_version(ACTOR, "other", "greeting", document()),
        service.activate(ACTOR, "other", "greeting", 1),
        service.rollback(ACTOR, "other", "greeting", 1),
        service.delete_version(ACTOR, "other", "greeting", 1),
        service.delete(ACTOR, "other", "greeting"),
        found_by(database, directory, clock).find("other", "greeting", 1),
    ):
        with pytest.raises(NotFound):
            await work
    assert (await service.list("other", 50, None)).items == ()
    assert (await service.get("acme", "greeting"))[0].labels == {"production": 1}


async def test_changes_are_audited_with_their_version(
    service: TemplateService, database: Database
) -> None:
    await service.create(ACTOR, "acme", "greeting", document())
    await service.create_version(ACTOR, "acme", "greeting", document("two"))
    await service.activate(ACTOR, "acme", "greeting", 1)
    await service.activate(ACTOR, "acme", "greeting", 2)
    await service.rollback(ACTOR, "acme", "greeting")
    await service.update(ACTOR, "acme", "greeting", description="Greets")
    await service.delete(ACTOR, "acme", "greeting")

    async with database.read() as connection:
        made = select(audit_records).where(audit_records.c.action.like("template.%"))
        rows = (await connection.execute(made.order_by(audit_records.c.seq))).all()
    assert [(row.action, row.resource) for row in rows] == [
        ("template.create", "template:greeting@1"),
        ("template.version.create", "template:greeting@2"),
        ("template.activate", "template:greeting@1"),
        ("template.activate", "template:greeting@2"),
        ("template.rollback", "template:greeting@1"),
        ("template.update", "template:greeting"),
        ("template.delete", "template:greeting"),
    ]
    assert rows[4].detail == {"label": "production", "before": 2}
    assert {(row.tenant, row.actor, row.request_id) for row in rows} == {
        ("acme", "key:ana", "req_1")
    }


async def test_texts_are_encrypted_and_a_changed_row_is_not_served(
    service: TemplateService, database: Database
) -> None:
    await service.create(ACTOR, "acme", "greeting", document("a secret prompt"))
    await service.create_version(ACTOR, "acme", "greeting", document("another one"))
    content = template_versions.c.content
    async with database.begin() as connection:
        stored = await connection.execute(select(content).where(template_versions.c.number == 1))
        sealed = stored.scalar_one()
        moved = update(template_versions).where(template_versions.c.number == 2)
        await connection.execute(moved.values(content=sealed))

    assert b"secret" not in sealed
    with pytest.raises(DatabaseUnavailable):
        await service.version("acme", "greeting", 2)


async def test_another_replica_follows_once_its_directory_has(
    service: TemplateService, database: Database, clock: ManualClock
) -> None:
    """Its bound is the directory's: within one poll."""
    elsewhere = CredentialDirectory(database, PEPPER, clock)
    await elsewhere.refresh()
    templates = found_by(database, elsewhere, clock)
    await service.create(ACTOR, "acme", "greeting", document("one"))
    await service.create_version(ACTOR, "acme", "greeting", document("two"))
    await elsewhere.refresh()
    with pytest.raises(NotFound, match="has no active version"):
        await templates.find("acme", "greeting")

    for version, expected in ((1, "1: one"), (2, "2: two")):
        await service.activate(ACTOR, "acme", "greeting", version)
        await elsewhere.refresh()
        assert await text_of(templates) == expected
    await service.rollback(ACTOR, "acme", "greeting")
    assert await text_of(templates) == "2: two"  # until it has heard of it
    await elsewhere.refresh()
    assert await text_of(templates) == "1: one"
    assert await text_of(templates, 2) == "2: two"
    assert await text_of(templates, None, "production") == "1: one"

    await service.delete(ACTOR, "acme", "greeting")
    await service.create(ACTOR, "acme", "greeting", document("anew"))
    await elsewhere.refresh()
    assert await text_of(templates, 1) == "1: anew"
    await elsewhere.close()


async def test_what_is_held_goes_on_while_the_store_is_down(
    service: TemplateService,
    database: Database,
    directory: CredentialDirectory,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    templates = found_by(database, directory, clock)
    await service.create(ACTOR, "acme", "greeting", document("one"))
    await service.activate(ACTOR, "acme", "greeting", 1)
    assert await text_of(templates) == "1: one"

    def down() -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(database, "read", down)

    assert await text_of(templates) == "1: one"
    with pytest.raises(DatabaseUnavailable):
        await templates.find("acme", "another")


@pytest.mark.parametrize("id", ["", "Greeting", "a b", "x" * 65, "a\0b", "../x"])
async def test_text_that_is_no_id_is_not_found(
    id: str, database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    with pytest.raises(Problem) as refused:
        await found_by(database, directory, clock).find("acme", id)

    assert refused.value.status == 404


async def test_what_is_held_is_bounded(
    service: TemplateService,
    database: Database,
    directory: CredentialDirectory,
    clock: ManualClock,
) -> None:
    repository = TemplateRepository(directory.secret_of, clock)
    templates = TemplateDirectory(database, repository, directory.template_generation, 100)
    await service.create(ACTOR, "acme", "greeting", document("x" * 60))
    for _ in range(3):
        await service.create_version(ACTOR, "acme", "greeting", document("y" * 40))

    for number in (1, 2, 3, 1, 4, 1):
        assert (await templates.find("acme", "greeting", number))[0] == number
        assert templates.characters <= 100
