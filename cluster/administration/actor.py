"""Who administers, and what they may hand on to others.

Nobody gives away more than they have: scopes by the caller's own scopes, roles by rank.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cluster.runtime.problems import Forbidden
from cluster.tenants.caller import Caller, Scope


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller in one request."""

    caller: Caller
    request_id: str = ""

    @property
    def name(self) -> str:
        """As the audit trail names it: `key:<id>` or `user:<id>`."""
        return f"{self.caller.kind}:{self.caller.key_id}"

    @property
    def is_operator(self) -> bool:
        return Scope.ADMIN in self.caller.scopes

    def outlives(self, expires: float | None, what: str) -> None:
        """Raises Forbidden if a key that ends then (None: never) ends later than the actor's own:
        what a key gives away ends with it.
        """
        own = self.caller.expires
        if own is not None and (expires is None or expires > own):
            raise Forbidden(
                f"{what} would outlive your own key, which ends at {own:.0f} (Unix seconds).",
                param="expires_in_s",
                limit=own,
            )

    def can_grant(self, scopes: Iterable[Scope], what: str) -> None:
        """Raises Forbidden unless the caller has every one of `scopes`; names one it lacks."""
        lacking = sorted(scope for scope in scopes if not self.caller.allows(scope))
        if lacking:
            raise Forbidden(
                f"{what} has the scope '{lacking[0]}', which you lack.",
                required_scope=str(lacking[0]),
                param="scopes",
            )
