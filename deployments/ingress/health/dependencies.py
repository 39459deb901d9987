"""Every dependency of an ingress replica, with its check and its consequence.

In: the collaborators of the replica. Out: the dependencies, those of models as they are now. What
is not configured is listed as `off`.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from cluster.health.checks.clock import ClockCheck, read_server_time
from cluster.health.checks.collector import CollectorCheck
from cluster.health.checks.disk import DiskCheck
from cluster.health.checks.library import LibraryCheck
from cluster.health.checks.objects import TIMEOUT_S as OBJECTS_S
from cluster.health.checks.objects import ObjectStoreCheck
from cluster.health.checks.store import StoreCheck
from cluster.health.checks.webhooks import WebhooksCheck
from cluster.health.dependency import INTERVAL_S, TIMEOUT_S, Dependency, stretch_interval
from cluster.health.state import CheckOutcome, off
from cluster.ops.ports import Ports
from cluster.runtime.clock import Clock
from cluster.runtime.settings import LOOPBACK, Settings
from cluster.storage.database import Database
from deployments.contracts.cache import SharedTier
from deployments.contracts.scaling import DeploymentStatusSource
from deployments.ingress.config import IngressConfig
from deployments.ingress.health import consequences as text
from deployments.ingress.health import serve_checks, video_checks
from deployments.ingress.health.limits_and_cache import (
    CacheTierCheck,
    LimiterCheck,
    LimiterState,
    RedisCheck,
)
from deployments.ingress.health.own_checks import OwnCheck
from deployments.ingress.model_registry import ModelRegistry
from deployments.video.media_context import SCRATCH

Check = Callable[[], Awaitable[CheckOutcome]]
BUCKET_S, WEBHOOKS_S = 30.0, 10.0
REPLICAS_S = 2.5  # for the controller's status and the answers of replicas


class CheckedTenancy(Protocol):
    """deployments/ingress/tenant_services.py. `authority` is a LimiterClient or RedisAuthority."""

    @property
    def database(self) -> Database: ...
    @property
    def limiter(self) -> LimiterState: ...
    @property
    def authority(self) -> object: ...


@dataclass(frozen=True)
class CheckedParts:
    """What is checked. `shared` is the cache's second tier (None: off), `gcs_address` gives that of
    Ray's GCS (None: no Ray), `collector` is asked whether traces are taken (None: not exported)."""

    settings: Settings
    config: IngressConfig
    clock: Clock
    tenancy: CheckedTenancy
    shared: SharedTier | None
    models: ModelRegistry
    serve: DeploymentStatusSource
    gcs_address: Callable[[], str | None]
    collector: CollectorCheck | None = None

    @property
    def node(self) -> str:
        """This machine's address."""
        return self.settings.node_address


class DependencyCatalogue:
    """Call `collect` for the dependencies, and `close` at the end."""

    def __init__(self, parts: CheckedParts) -> None:
        """Raises ValueError for a Redis's URL that is none, UnsafeUrl for one of own checks."""
        self._parts = parts
        self.clock, self.node = parts.clock, parts.node
        self._replicas = parts.config.health.replicas
        url = parts.settings.redis_url
        self._redis = None if url is None else RedisCheck(url.get_secret_value())
        self._status = serve_checks.RecentStatus(parts.serve, parts.clock)
        self._own = [(spec, OwnCheck(spec)) for spec in parts.config.health.own]
        self._fixed = [
            *self._state(),
            *self._ray(),
            *self._media(),
            *self._search(),
            *self._text(),
            *self._machine(),
            *self._configured(),
        ]
        self._models: dict[str, Dependency] = {}

    def collect(self) -> list[Dependency]:
        """Models of providers may come and go."""
        models = self._parts.models.all_ids
        self._models = {id: self._models.get(id) or self._model(id) for id in models}
        return [*self._fixed, *self._models.values()]

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.close()
        for _, check in self._own:
            await check.close()

    def _state(self) -> Iterator[Dependency]:
        parts = self._parts
        database, clock = parts.tenancy.database, parts.clock
        shared = self._shared
        yield shared("store", "store", StoreCheck(database, clock, parts.node), text.STORE)
        yield shared("redis", "limits", self._redis or _off, text.REDIS)
        limiter = LimiterCheck(parts.tenancy.limiter, parts.tenancy.authority)
        yield shared("limiter", "limits", limiter, text.LIMITER)
        tier = _off if parts.shared is None else CacheTierCheck(parts.shared)
        yield shared("cache:shared", "cache", tier, text.SHARED_CACHE)
        yield self._objects("cache:archive", "cache", parts.config.cache.archive, text.ARCHIVE)
        webhooks = WebhooksCheck(database, clock)
        yield shared("webhooks", "webhooks", webhooks, text.WEBHOOKS, WEBHOOKS_S)
        posts = LibraryCheck(database, clock)
        yield shared("library", "library", posts, text.LIBRARY, WEBHOOKS_S)

    def _ray(self) -> Iterator[Dependency]:
        parts = self._parts
        gcs = serve_checks.GcsCheck(parts.gcs_address)
        yield self._shared("ray:gcs", "ray", gcs, text.GCS)
        controller = serve_checks.ControllerCheck(parts.serve)
        yield self._shared("serve:controller", "ray", controller, text.CONTROLLER)
        port = Ports.of(parts.settings).haproxy_stats
        proxy = serve_checks.ListenerCheck(port, LOOPBACK)
        yield Dependency("haproxy", "ray", proxy, text.PROXY)

    def _media(self) -> Iterator[Dependency]:
        parts, video = self._parts, self._parts.config.video
        store = video.store if video.enabled else None
        yield self._objects("blobs", "video", store, text.BLOBS)
        clipper = serve_checks.DeploymentCheck(self._status, "Clipper") if video.enabled else _off
        yield self._shared("clipper", "video", clipper, text.CLIPPER, timeout_s=REPLICAS_S)
        has_media = parts.config.media.enabled
        media = serve_checks.DeploymentCheck(self._status, "Media") if has_media else _off
        yield self._shared("media", "video", media, text.MEDIA, timeout_s=REPLICAS_S)
        is_required = parts.settings.video_sandbox == "required"
        sandbox = video_checks.SandboxCheck(is_required=is_required) if video.enabled else _off
        consequence = text.SANDBOX_REQUIRED if is_required else text.SANDBOX_OPTIONAL
        yield _seldom("sandbox", sandbox, consequence)
        ffmpeg = video_checks.check_ffmpeg if video.enabled else _off
        yield _seldom("ffmpeg", ffmpeg, text.FFMPEG)

    def _text(self) -> Iterator[Dependency]:
        has_text = self._parts.config.has_text
        check = serve_checks.DeploymentCheck(self._status, "Text") if has_text else _off
        yield self._shared("text", "text", check, text.TEXT, timeout_s=REPLICAS_S)

    def _search(self) -> Iterator[Dependency]:
        has_search = self._parts.config.search.enabled
        check = serve_checks.DeploymentCheck(self._status, "Search") if has_search else _off
        yield self._shared("search", "search", check, text.SEARCH, timeout_s=REPLICAS_S)

    def _machine(self) -> Iterator[Dependency]:
        parts, home = self._parts, self._parts.settings.home
        yield Dependency("disk:home", "machine", DiskCheck(home), text.HOME_DISK)
        has_video = parts.config.video.enabled
        scratch = DiskCheck(home / SCRATCH) if has_video else _off
        yield Dependency("disk:scratch", "machine", scratch, text.SCRATCH_DISK)
        database = parts.tenancy.database
        reference = None if database.is_sqlite else partial(read_server_time, database)
        yield Dependency("clock", "machine", ClockCheck(parts.clock, reference), text.CLOCK)
        yield self._shared("otlp", "telemetry", parts.collector or _off, text.COLLECTOR)

    def _configured(self) -> Iterator[Dependency]:
        for spec, check in self._own:
            yield Dependency(
                f"own:{spec.name}",
                "own",
                check,
                spec.consequence,
                stretch_interval(spec.interval_s, self._replicas),
                spec.timeout_s,
                slow_s=None,
            )

    def _model(self, id: str) -> Dependency:
        parts = self._parts
        is_external = parts.models.is_external(id)
        deployment = None if is_external else parts.config.deployments.get(id)
        check = serve_checks.ModelCheck(parts.models, id, self._status, deployment)
        kind, consequence = ("provider", text.PROVIDER) if is_external else ("model", text.MODEL)
        interval_s = stretch_interval(INTERVAL_S, self._replicas)
        return Dependency(f"model:{id}", kind, check, consequence, interval_s, REPLICAS_S)

    def _shared(
        self,
        name: str,
        kind: str,
        check: Check,
        consequence: str,
        interval_s: float = INTERVAL_S,
        timeout_s: float = TIMEOUT_S,
    ) -> Dependency:
        """A dependency that all replicas share."""
        interval_s = stretch_interval(interval_s, self._replicas)
        return Dependency(name, kind, check, consequence, interval_s, timeout_s)

    def _objects(self, name: str, kind: str, store: str | None, consequence: str) -> Dependency:
        """A folder in the home, or a bucket, which is asked less often: requests cost money."""
        if store is None:
            return Dependency(name, kind, _off, consequence)
        if "://" not in store:
            folder: Path = self._parts.settings.home / store
            return Dependency(name, kind, ObjectStoreCheck(str(folder)), consequence)
        interval_s = stretch_interval(BUCKET_S, self._replicas)
        check = ObjectStoreCheck(store)
        return Dependency(name, kind, check, consequence, interval_s, OBJECTS_S, slow_s=2.0)


async def _off() -> CheckOutcome:
    return off()


def _seldom(name: str, check: Check, consequence: str) -> Dependency:
    """A check that starts a process; not while a replica starts."""
    if check is _off:
        return Dependency(name, "video", check, consequence)
    return Dependency(
        name,
        "video",
        check,
        consequence,
        video_checks.INTERVAL_S,
        video_checks.TIMEOUT_S,
        slow_s=None,
        delay_s=video_checks.DELAY_S,
    )
