"""Administration: every change to plans, tenants, keys, users and webhooks, and what was recorded.

Flows in: an `Actor` and what it wants. Flows out: values of the repositories, or a Problem. A
change is one transaction (desk.py). Knows no HTTP: whether a caller may come in at all is decided
by whoever calls.
"""

from dataclasses import dataclass
from pathlib import Path

from cluster.audit.keys import AuditKeys
from cluster.auth.passwords import Passwords
from cluster.auth.row_macs import RowMacs
from cluster.auth.sessions import Sessions
from cluster.clock import Clock
from cluster.events.signing import Keyring
from cluster.events.webhooks import Webhooks as WebhookRepository
from cluster.net.ssrf import Guard
from cluster.settings import Settings
from cluster.storage.database import Database
from cluster.tenants.administration.actor import Actor
from cluster.tenants.administration.cache import Cache, Feed
from cluster.tenants.administration.desk import Desk, Directory, Tell, Trail
from cluster.tenants.administration.keys import Keys
from cluster.tenants.administration.plans import Plans
from cluster.tenants.administration.records import Records
from cluster.tenants.administration.scaling import Scaling
from cluster.tenants.administration.signing_in import SigningIn
from cluster.tenants.administration.tenants import Tenants
from cluster.tenants.administration.users import Users
from cluster.tenants.administration.webhooks import Webhooks

__all__ = ["Actor", "Administration", "administration"]


@dataclass(frozen=True, slots=True)
class Administration:
    """One part for each kind of thing."""

    plans: Plans
    tenants: Tenants
    keys: Keys
    users: Users
    webhooks: Webhooks
    records: Records
    sessions: SigningIn
    cache: Cache
    scaling: Scaling


def administration(
    database: Database,
    directory: Directory,
    trail: Trail,
    tell: Tell,
    guard: Guard,
    settings: Settings,
    pepper: bytes,
    checkpoints: Path,
    clock: Clock,
    passwords: Passwords | None = None,
    invalidations: Feed | None = None,
) -> Administration:
    """Put together over one process's store, directory, trail and events.

    `tell` is told of committed events (EventBus.tell); `checkpoints` is the trail's folder;
    `invalidations` is this process's feed, where it keeps answers. Call it on the loop that will
    use it.
    """
    hashing, macs = passwords or Passwords(), RowMacs(pepper)
    desk = Desk(database, trail, directory, clock, tell)
    webhooks = WebhookRepository(Keyring(pepper), guard, clock)
    return Administration(
        plans=Plans(desk),
        tenants=Tenants(desk),
        keys=Keys(desk, pepper),
        users=Users(desk, hashing, macs),
        webhooks=Webhooks(desk, webhooks, guard),
        records=Records(database, clock, AuditKeys.derive(pepper), macs, checkpoints, trail),
        sessions=SigningIn(
            desk, _sessions(database, settings, pepper, clock, hashing), hashing, pepper
        ),
        cache=Cache(desk, invalidations),
        scaling=Scaling(desk),
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
