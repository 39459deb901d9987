"""The application over a real store: two tenants, a user of every role, and keys."""

import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from argon2 import PasswordHasher
from sqlalchemy import text
from starlette.types import ASGIApp

from cluster.administration import Actor, Administration, administration
from cluster.audit.keys import AuditKeys
from cluster.audit.trail import AuditTrail
from cluster.auth.bootstrap import bootstrap
from cluster.auth.credential_directory import CredentialDirectory
from cluster.auth.passwords import Passwords
from cluster.classifiers.model import TrainedWeights, pack_head
from cluster.collections.generations import GenerationRepository
from cluster.collections.model import CollectionDraft, PointDraft
from cluster.collections.points import PointRepository
from cluster.collections.repository import default_limits
from cluster.collections.vectors import pack_vectors
from cluster.events.bus import EventBus
from cluster.library.model import PostDraft, PostText
from cluster.net.ssrf import SsrfGuard
from cluster.responses.store import ResponseLimits, ResponseRecord, ResponseStore
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import load_pepper, store_url
from cluster.storage.database import Database
from cluster.templates.directory import TemplateDirectory
from cluster.templates.document import TemplateDocument
from cluster.templates.examples import TemplateExample
from cluster.templates.repository import TemplateRepository
from cluster.tenants.caller import Caller, Role, Scope
from cluster.tenants.plan import Plan
from deployments.batches.item_store import BatchItemStore
from deployments.batches.model import FILE_KIND, KIND, BatchSpec, FileSource
from deployments.batches.pacing import BatchPacer
from deployments.batches.services import BatchServices
from deployments.collections.reindex_handler import ReindexHandler
from deployments.collections.source_handler import IndexSourcesHandler
from deployments.contracts.jobs import NewJob
from deployments.files.model import NewFile
from deployments.files.store import FileStore
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.audio import AudioServices
from deployments.ingress.collection_sources import TenantSources
from deployments.ingress.collections import collection_services
from deployments.ingress.health.overview import HealthOverview
from deployments.ingress.http.app import OPERATION_OF, create_app
from deployments.ingress.job_embedder import IngressJobEmbedder
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline
from deployments.ingress.pipeline.audio_pipeline import AudioPipeline
from deployments.ingress.process_logs import ProcessLogs
from deployments.ingress.services import AppServices
from deployments.ingress.similar_posts import SimilarPostFinder
from deployments.ingress.tenant_jobs import TenantJobs
from deployments.jobs.store import JobStore
from deployments.jobs.worker import WorkerTimings
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.tenant_limiter import TenantLimiter
from deployments.limiter.unlimited import NullLimiter
from deployments.media.config import MediaConfig
from deployments.privacy.handlers import (
    ERASE,
    EXPORT,
    EraseHandler,
    ExportHandler,
    PrivacyParts,
)
from deployments.privacy.service import PrivacyServices
from deployments.text.analyzer import ThreadedAnalyzer
from tests.api.administration.document_world import documents_of, seed_document
from tests.api.administration.health_world import NoPeers, NothingChecked
from tests.api.administration.recorded import media_in, recorded, resolve
from tests.api.administration.scaling_world import Elsewhere, scaling_of
from tests.api.administration.vector_store_world import seed_vector_store
from tests.api.fakes import Records
from tests.api.letter_vectors import LetterVectors
from tests.api.recorded_search import NotCharged, RecordedSearch
from tests.api.web import MakeServices, client_of, settings_of
from tests.servers.stores import migrated_home

PASSWORD = "correct horse battery"
OPERATOR = Actor(Caller("default", "test", frozenset({Scope.ADMIN})))
DRAFT = PostDraft("tea", PostText("Tea", "Tea on the roof"), "x", "English", ("spring",))
HOOK = "https://hooks.example.com/mobula"
QUICK = WorkerTimings(poll_s=0.01, slowest_s=0.05, beat_s=0.05, sweep_s=60.0, close_s=5.0)
CALLERS = (
    "anonymous", "owner", "admin", "developer", "viewer", "billing", "generate", "operator",
    "stranger",
)  # fmt: skip


@dataclass(frozen=True)
class Seed:
    """A filled home, to be copied, and what opens it."""

    home: Path
    credentials: Mapping[str, str]  # API keys by the names of CALLERS
    ids: Mapping[str, str]  # of acme: key, user, webhook, response and more


@dataclass
class World:
    """One running application and what lies behind it."""

    app: ASGIApp
    services: AppServices
    office: Administration
    database: Database
    trail: AuditTrail
    home: Path
    ids: Mapping[str, str]
    credentials: dict[str, str]
    jobs: TenantJobs
    notified: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)

    def client(self, caller: str = "owner") -> httpx.AsyncClient:
        """A client that presents the credential of `caller`, a name of CALLERS."""
        return client_of(self.app, self.credentials.get(caller))

    async def ask(self, caller: str, method: str, path: str, **rest: Any) -> httpx.Response:
        async with self.client(caller) as client:
            return await client.request(method, path, **rest)

    async def sign_in(self, role: str) -> None:
        """From now on the role of acme acts with an access token."""
        body = {"email": f"{role}@acme.example", "password": PASSWORD}
        answer = await self.ask("anonymous", "POST", "/api/v1/auth/login", json=body)
        self.credentials[role] = answer.json()["access_token"]


Open = Callable[..., Any]
TABLES = (
    "tenants", "plans", "api_keys", "users", "teams", "webhooks", "templates", "classifiers",
    "videos", "uploads", "jobs", "stored_objects", "library_posts", "outcomes", "collections",
    "points",
)  # fmt: skip
ON_ITS_LOOP = pytest.mark.asyncio(loop_scope="module")  # of a test with `unchanged_world`


async def rows_of(world: World) -> list[int]:
    """How many rows each of TABLES has."""
    async with world.database.read() as connection:
        found = [await connection.execute(text(f"SELECT count(*) FROM {name}")) for name in TABLES]
        return [result.scalar_one() for result in found]


async def seed_template(office: Administration) -> None:
    """`greeting` of acme: versions 1 to 3, of which 1 and 2 were active, and 2 is."""
    text = {"messages": [{"role": "user", "content": "Greet {{ name }}."}]}
    document = TemplateDocument.model_validate(
        {**text, "variables": {"name": {"default": "Ada"}}, "defaults": {"model": "words"}}
    )
    example = TemplateExample.model_validate({"expect": {"not_contains": ["Bob"]}})
    templates = office.templates
    await templates.create(OPERATOR, "acme", "greeting", document, examples=[example])
    await templates.create_version(OPERATOR, "acme", "greeting", document)
    await templates.create_version(OPERATOR, "acme", "greeting", document)
    for number in (1, 2):
        await templates.activate(OPERATOR, "acme", "greeting", number)


async def seed_file(files: FileStore) -> str:
    """A file of acme for batches."""

    async def content() -> AsyncIterator[bytes]:
        yield b"{}"

    staged = await files.receive("acme", content(), "application/jsonl", 9)
    return (await files.add(staged, NewFile("acme", "k", "batch", "a.jsonl", "a/b"))).id


async def seed_collection(office: Administration, database: Database) -> Mapping[str, str]:
    """`posts` of acme, with point `p`."""
    draft = CollectionDraft("posts", "letters")
    made = await office.collections.create(OPERATOR, "acme", draft)
    vector = pack_vectors(np.array([[1, 1, 0, 0]], np.float32), "cosine")[0]
    assert isinstance(vector, bytes)
    async with database.begin() as connection:
        points = PointRepository(SystemClock())
        await points.upsert(connection, "acme", made, [PointDraft("p", "a bee", {}, vector)])
    return {"collection": "posts", "point": "p"}


async def seed_jobs(jobs: JobStore, database: Database, file: str) -> Mapping[str, str]:
    """Ended batches, export and erasure of acme, which nobody has run."""
    scopes = frozenset({Scope.GENERATE})
    source = FileSource(file, "/v1/embeddings", ("/v1/embeddings",), 3_600.0)
    specs: dict[str, tuple[str, dict[str, Any]]] = {
        "batch": (KIND, BatchSpec("chat", 1, scopes).to_json()),
        "batch_id": (FILE_KIND, BatchSpec("chat", 0, scopes, source=source).to_json()),
        "export": (EXPORT, {}),
        "erasure": (ERASE, {}),
    }
    ids = {"file_id": file}
    for name, (kind, spec) in specs.items():
        async with database.begin() as connection:
            job = await jobs.create(connection, NewJob("acme", kind, "k", spec))
        ids[name] = (await jobs.cancel("acme", job.id)).id
    return ids


def cheap() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@asynccontextmanager
async def opened(
    settings: Settings, notified: list[tuple[str, str, Mapping[str, Any]]]
) -> AsyncIterator[tuple[Database, CredentialDirectory, AuditTrail, Administration]]:
    """What stands behind the application."""
    home, clock = settings.home, SystemClock()
    pepper = load_pepper(home, settings)
    database = Database(store_url(home, settings))
    directory = CredentialDirectory(database, pepper, clock)
    await directory.refresh()
    folder = home / "audit"
    trail = AuditTrail(database, "test", AuditKeys.derive(pepper), folder, clock)
    bus = EventBus(database, clock)

    def tell(tenant: str, kind: str, data: Mapping[str, Any]) -> None:
        notified.append((tenant, kind, data))
        bus.notify(tenant, kind, data)

    office = administration(
        database, directory, trail, tell, SsrfGuard(resolve=resolve), settings, pepper, folder,
        clock, cheap(),
    )  # fmt: skip
    try:
        yield database, directory, trail, office
    finally:
        await trail.close()
        await directory.close()
        await database.close()


async def seeded(settings: Settings) -> Seed:
    """Fill a store: tenants acme (plan team) and other (plan default), users, keys, a webhook.

    All tests of a run use its access tokens, which last for longer than `./mobula test --all`.
    """
    settings = settings.model_copy(update={"access_token_s": 3600})
    operator = bootstrap(migrated_home(settings.home), settings)
    assert operator is not None
    credentials, ids = {"operator": operator}, {}
    async with opened(settings, []) as (database, directory, _, office):
        for plan in (Plan(id="team"), Plan(id="spare")):
            await office.plans.put(OPERATOR, plan)
        await office.tenants.create(OPERATOR, "acme", "Acme", "team")
        await office.tenants.create(OPERATOR, "other", "Other", "default")
        for role in Role:
            email = f"{role}@acme.example"
            await office.users.create(OPERATOR, "acme", email, PASSWORD, role)
        stranger = ("other", "stranger@other.example", PASSWORD, Role.OWNER)
        await office.users.create(OPERATOR, *stranger)
        user = await office.users.create(
            OPERATOR, "acme", "target@acme.example", PASSWORD, Role.VIEWER
        )
        life = 86_400.0
        key, _ = await office.keys.create(OPERATOR, "acme", "plain", [Scope.GENERATE], life)
        _, target = await office.keys.create(OPERATOR, "acme", "target", [Scope.GENERATE], life)
        await office.teams.create(OPERATOR, "acme", "crew", "Crew", None)
        webhook, _ = await office.webhooks.create(OPERATOR, "acme", HOOK, ["key.*"])
        credentials["generate"] = key
        ids = {"tenant": "acme", "key": target.id, "user": user.id, "webhook": webhook.id}
        ids |= {"part": "haproxy", "team": "crew"}
        await seed_template(office)
        ids |= {"template": "greeting", "version": "1"}
        weights = TrainedWeights(pack_head(("good", "bad"), bytes(8)), 10)
        await office.classifiers.create(OPERATOR, "acme", "tone", "", weights)
        ids["classifier"] = "tone"
        await office.library.create(OPERATOR, "acme", DRAFT)
        ids["post"] = DRAFT.id
        ids |= await seed_collection(office, database)
        ids["response_id"] = "resp_acme"
        content = b'{"response": {"id": "resp_acme", "output": []}, "input": []}'
        responses = ResponseStore(database, directory.secret_of, SystemClock(), ResponseLimits())
        await responses.save("acme", ResponseRecord("resp_acme", None, content))
        for role in (*Role, "stranger"):
            email = f"{role}@{'other' if role == 'stranger' else 'acme'}.example"
            made = await office.sessions.login(email, PASSWORD, None, "test", "seed")
            credentials.setdefault(str(role), made.access_token)  # `operator` is the key
        media = media_in(settings, database, lambda tenant: directory.tenant(tenant).plan)
        ids |= await recorded(media)
        file = await seed_file(FileStore(database, media.files, SystemClock()))
        ids |= await seed_jobs(media.jobs, database, file)
        ids["document"] = await seed_document(database, SystemClock())
        ids |= await seed_vector_store(database, SystemClock(), file, ids["document"])
        await media.files.close()
    return Seed(settings.home, credentials, ids)


@asynccontextmanager
async def world_of(seed: Seed, home: Path, make_services: MakeServices) -> AsyncIterator[World]:
    """The application on a copy of the seed's home."""
    shutil.copytree(seed.home, home)
    async with serving(seed, settings_of(home), make_services) as world:
        yield world


@asynccontextmanager
async def serving(
    seed: Seed, settings: Settings, make_services: MakeServices
) -> AsyncIterator[World]:
    """The application on a seeded store."""
    notified: list[tuple[str, str, Mapping[str, Any]]] = []
    home = settings.home
    async with opened(settings, notified) as (database, directory, trail, office):

        def plan_of(tenant: str) -> Plan:
            return directory.tenant(tenant).plan

        async def unspent(*_: object) -> int:
            return 0

        bare = make_services()
        limiter = TenantLimiter(
            MemoryAuthority(bare.clock), "test", bare.clock, unspent, lambda _: None
        )
        analyzer = ThreadedAnalyzer(bare.clock, lambda _: LetterVectors())
        media = media_in(settings, database, plan_of)
        items = BatchItemStore(directory.secret_of)
        jobs = TenantJobs(media.jobs, "test", bare.clock, QUICK)
        search = RecordedSearch(database)
        collections = collection_services(
            database,
            default_limits,
            bare.embedding_pipeline,
            Records(),
            bare.clock,
            media.jobs,
            jobs.wake,
            search,
        )
        services = replace(
            bare,
            collections=collections,
            analysis_pipeline=AnalysisPipeline(analyzer, bare.embedding_pipeline, Records()),
            authenticator=directory,
            plan_of=plan_of,
            admission=AdmissionControl(NullLimiter(), trail, bare.clock),
            admin=office,
            responses=ResponseStore(database, directory.secret_of, bare.clock, ResponseLimits()),
            media=media,
            audio=AudioServices(
                database,
                media.files,
                media.jobs,
                AudioPipeline(None, Records()),
                media.guard,
                MediaConfig(),
                plan_of,
                bare.clock,
                media.videos,
            ),  # fmt: skip
            batches=BatchServices(
                database,
                media.jobs,
                items,
                FileStore(database, media.files, bare.clock),
                jobs.wake,
                OPERATION_OF,
            ),
            documents=documents_of(database, media, bare, directory.secret_of, jobs.wake),
            privacy=PrivacyServices(media.jobs, media.links, jobs.wake),
            templates=TemplateDirectory(
                database,
                TemplateRepository(directory.secret_of, bare.clock),
                directory.template_generation,
            ),
            similar_posts=SimilarPostFinder(
                database, bare.embedding_pipeline, lambda: bare.models.embedder_ids
            ),
            logs=ProcessLogs(NoPeers()),
            scaling=scaling_of(Elsewhere(bare.clock)),
            health=HealthOverview(
                NothingChecked(bare.clock), NoPeers(), EventBus(database, bare.clock), "test"
            ),
            limit_status=lambda tenant, policies=None: limiter.view(
                tenant, plan_of(tenant), policies
            ),
            policies=directory.policies,
        )
        parts = PrivacyParts(
            database, media.jobs, trail, bare.clock, directory.secret_of, home / "scratch",
            media.files,
        )  # fmt: skip
        embedder = IngressJobEmbedder(
            services, collections.embedder, directory.caller_of, BatchPacer(bare.clock)
        )
        reindex = ReindexHandler(
            database, GenerationRepository(bare.clock), embedder, NotCharged(), bare.clock
        )
        sources = IndexSourcesHandler(
            database,
            collections.collections,
            collections.points,
            TenantSources(database, services.audio, directory.caller_of),
            embedder,
            NotCharged(),
        )
        jobs.install([ExportHandler(parts), EraseHandler(parts), reindex, sources])
        try:
            yield World(
                create_app(services), services, office, database, trail, home, seed.ids,
                dict(seed.credentials), jobs, notified,
            )  # fmt: skip
        finally:
            await search.close()
            await analyzer.close()
            await jobs.close()
            await media.files.close()
