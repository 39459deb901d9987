"""What a key with limits may grant: never more than it may use itself.

In: the actor of a change, in its transaction. Out: the limits that bind what it grants, or
Forbidden. A key that it makes shares its account and its team, so all of them together use what the
one may use; policies are therefore never compared.
"""

from dataclasses import dataclass

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import Change
from cluster.auth.key_repository import ApiKeyRepository
from cluster.auth.models import ApiKey
from cluster.runtime.problems import Forbidden, NotFound
from cluster.tenants.policy import LimitPolicy

_LIMITS = "limits of its own"


@dataclass(frozen=True, slots=True)
class ActorLimits:
    """The actor's key; None where no limits of a key bind the actor."""

    key: ApiKey | None = None

    @property
    def has_policy(self) -> bool:
        return self.key is not None and self.key.policy is not None

    def check_unlimited(self, what: str) -> None:
        """Raises Forbidden if limits of a key or a team bind the actor."""
        if self.key is not None:
            raise Forbidden(f"A key with {_LIMITS}, or in a team, does not {what}.")

    def check_within(self, target: ApiKey) -> None:
        """Raises Forbidden unless the target's limits bind it as the actor's bind the actor."""
        own = self.key
        if own is None:
            return
        if own.policy is not None and target.limits_account != own.limits_account:
            raise Forbidden(f"Your key has {_LIMITS}; it changes keys that share them only.")
        if own.team and target.team != own.team:
            raise Forbidden("Your key is in a team; it changes keys of that team only.")

    def check_policy(self, policy: LimitPolicy | None) -> None:
        """Raises Forbidden if the actor would set limits of keys that share its own."""
        if policy is not None and self.has_policy:
            raise Forbidden(
                f"Your key has {_LIMITS}; keys that it makes share them.", param="policy"
            )

    def team_of_new(self, team: str | None) -> str:
        """The team of a key that the actor makes or changes. Raises Forbidden."""
        own = self.key.team if self.key is not None else ""
        if own and team not in (None, own):
            raise Forbidden("Your key is in a team; the keys that it makes are too.", param="team")
        return own or team or ""


async def actor_limits(change: Change, keys: ApiKeyRepository, actor: Actor) -> ActorLimits:
    """The limits that bind the actor. Users have none; the operator sets all of them."""
    caller = actor.caller
    if actor.is_operator or caller.kind != "key":
        return ActorLimits()
    try:
        key = await keys.get(change.connection, caller.tenant, caller.key_id)
    except NotFound:
        return ActorLimits()
    return ActorLimits(key if key.policy is not None or key.team else None)
