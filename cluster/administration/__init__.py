"""Administration: changes to plans, tenants, keys, users and webhooks, and reports.

In: an `Actor` and a request. Out: values of the repositories, or a Problem. Each change is one
transaction (unit_of_work.py). Knows no HTTP; the caller authenticates and authorizes before.
"""

from dataclasses import dataclass
from pathlib import Path

from cluster.administration.actor import Actor
from cluster.administration.cache import CacheService, InvalidationRefresher
from cluster.administration.classifiers import ClassifierService
from cluster.administration.collections import CollectionService
from cluster.administration.keys import KeyService
from cluster.administration.library import LibraryService
from cluster.administration.logs import LogLevelService
from cluster.administration.outcomes import OutcomeService
from cluster.administration.plans import PlanService
from cluster.administration.reports import RecordReader
from cluster.administration.scaling import ScalingService
from cluster.administration.sign_in import SignInService
from cluster.administration.teams import TeamService
from cluster.administration.templates import TemplateService
from cluster.administration.tenants import TenantService
from cluster.administration.unit_of_work import AuditWriter, Directory, Notify, UnitOfWork
from cluster.administration.users import UserService
from cluster.administration.webhooks import WebhookService
from cluster.audit.keys import AuditKeys
from cluster.auth.passwords import Passwords
from cluster.auth.row_macs import RowMacs
from cluster.auth.sessions import Sessions
from cluster.collections.repository import LimitsOf, default_limits
from cluster.events.signing import WebhookSecrets
from cluster.events.webhooks import WebhookRepository
from cluster.library.model import LibraryLimits
from cluster.net.ssrf import SsrfGuard
from cluster.runtime.clock import Clock
from cluster.runtime.settings import Settings
from cluster.storage.database import Database
from cluster.templates.model import TemplateLimits
from cluster.usage.pseudonyms import Pseudonyms

__all__ = ["Actor", "Administration", "administration"]


@dataclass(frozen=True, slots=True)
class Administration:
    """One service for each kind of resource."""

    plans: PlanService
    tenants: TenantService
    keys: KeyService
    users: UserService
    webhooks: WebhookService
    records: RecordReader
    sessions: SignInService
    cache: CacheService
    scaling: ScalingService
    teams: TeamService
    templates: TemplateService
    classifiers: ClassifierService
    logs: LogLevelService
    library: LibraryService
    outcomes: OutcomeService
    collections: CollectionService


def administration(
    database: Database,
    directory: Directory,
    trail: AuditWriter,
    notify: Notify,
    guard: SsrfGuard,
    settings: Settings,
    pepper: bytes,
    checkpoints: Path,
    clock: Clock,
    passwords: Passwords | None = None,
    invalidations: InvalidationRefresher | None = None,
    limits_of: LimitsOf = default_limits,
) -> Administration:
    """Builds the services over this process's database, directory, trail and events.

    `notify` receives committed events (EventBus.notify); `checkpoints` is the trail's folder;
    `invalidations` is this process's feed, None without a cache; `limits_of` gives the limits of a
    tenant's collections. Call it on the event loop that
    will use it.
    """
    password_hasher, macs = passwords or Passwords(), RowMacs(pepper)
    unit_of_work = UnitOfWork(database, trail, directory, clock, notify)
    webhooks = WebhookRepository(WebhookSecrets(pepper), guard, clock)
    return Administration(
        plans=PlanService(unit_of_work),
        tenants=TenantService(unit_of_work),
        keys=KeyService(unit_of_work, pepper),
        users=UserService(unit_of_work, password_hasher, macs),
        webhooks=WebhookService(unit_of_work, webhooks, guard),
        records=RecordReader(
            database,
            clock,
            AuditKeys.derive(pepper),
            macs,
            checkpoints,
            trail,
            Pseudonyms(pepper),
        ),
        sessions=SignInService(
            unit_of_work,
            _sessions(database, settings, pepper, clock, password_hasher),
            password_hasher,
            pepper,
        ),
        cache=CacheService(unit_of_work, invalidations),
        scaling=ScalingService(unit_of_work),
        teams=TeamService(unit_of_work, macs),
        templates=TemplateService(unit_of_work, _template_limits(settings)),
        classifiers=ClassifierService(unit_of_work),
        logs=LogLevelService(unit_of_work),
        library=LibraryService(unit_of_work, _library_limits(settings)),
        outcomes=OutcomeService(database, clock, Pseudonyms(pepper)),
        collections=CollectionService(unit_of_work, limits_of),
    )


def _template_limits(settings: Settings) -> TemplateLimits:
    return TemplateLimits(
        settings.templates_per_tenant,
        settings.versions_per_template,
        settings.templates_mib_per_tenant << 20,
    )


def _library_limits(settings: Settings) -> LibraryLimits:
    return LibraryLimits(
        settings.posts_per_tenant,
        settings.library_mib_per_tenant << 20,
        settings.versions_per_post,
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
