"""Administration: every change to plans, tenants, keys, users and webhooks, and what was recorded.

Flows in: an `Actor` and what it wants. Flows out: values of the repositories, or a Problem. A
change is one transaction (desk.py). Knows no HTTP: whether a caller may come in at all is decided
by whoever calls.
"""

from dataclasses import dataclass
from pathlib import Path

from cluster.administration.actor import Actor
from cluster.administration.cache import CacheService, InvalidationRefresher
from cluster.administration.keys import KeyService
from cluster.administration.plans import PlanService
from cluster.administration.reports import RecordReader
from cluster.administration.scaling import ScalingService
from cluster.administration.sign_in import SignInService
from cluster.administration.tenants import TenantService
from cluster.administration.unit_of_work import AuditWriter, Directory, Tell, UnitOfWork
from cluster.administration.users import UserService
from cluster.administration.webhooks import WebhookService
from cluster.audit.keys import AuditKeys
from cluster.auth.passwords import Passwords
from cluster.auth.row_macs import RowMacs
from cluster.auth.sessions import Sessions
from cluster.events.signing import WebhookSecrets
from cluster.events.webhooks import WebhookRepository
from cluster.net.ssrf import SsrfGuard
from cluster.runtime.clock import Clock
from cluster.runtime.settings import Settings
from cluster.storage.database import Database

__all__ = ["Actor", "Administration", "administration"]


@dataclass(frozen=True, slots=True)
class Administration:
    """One part for each kind of thing."""

    plans: PlanService
    tenants: TenantService
    keys: KeyService
    users: UserService
    webhooks: WebhookService
    records: RecordReader
    sessions: SignInService
    cache: CacheService
    scaling: ScalingService


def administration(
    database: Database,
    directory: Directory,
    trail: AuditWriter,
    tell: Tell,
    guard: SsrfGuard,
    settings: Settings,
    pepper: bytes,
    checkpoints: Path,
    clock: Clock,
    passwords: Passwords | None = None,
    invalidations: InvalidationRefresher | None = None,
) -> Administration:
    """Put together over one process's store, directory, trail and events.

    `tell` is told of committed events (EventBus.tell); `checkpoints` is the trail's folder;
    `invalidations` is this process's feed, where it keeps answers. Call it on the loop that will
    use it.
    """
    hashing, macs = passwords or Passwords(), RowMacs(pepper)
    desk = UnitOfWork(database, trail, directory, clock, tell)
    webhooks = WebhookRepository(WebhookSecrets(pepper), guard, clock)
    return Administration(
        plans=PlanService(desk),
        tenants=TenantService(desk),
        keys=KeyService(desk, pepper),
        users=UserService(desk, hashing, macs),
        webhooks=WebhookService(desk, webhooks, guard),
        records=RecordReader(database, clock, AuditKeys.derive(pepper), macs, checkpoints, trail),
        sessions=SignInService(
            desk, _sessions(database, settings, pepper, clock, hashing), hashing, pepper
        ),
        cache=CacheService(desk, invalidations),
        scaling=ScalingService(desk),
    )


def _sessions(
    database: Database, settings: Settings, pepper: bytes, clock: Clock, passwords: Passwords
) -> Sessions:
    return Sessions(
        database,
        pepper,
        clock,
        access_token_s=settings.access_token_s,
        refresh_token_s=settings.refresh_token_s,
        passwords=passwords,
    )
