"""The actor of an administrative change, and the limits of what it may grant.

An actor grants at most its own rights: scopes by its own scopes, roles by their scopes.
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
        """The actor's name in the audit trail: `key:<id>` or `user:<id>`."""
        return f"{self.caller.kind}:{self.caller.key_id}"

    @property
    def is_operator(self) -> bool:
        return Scope.ADMIN in self.caller.scopes

    def check_expiry(self, expires: float | None, what: str) -> None:
        """Raises Forbidden if `expires` (None: never) is later than that of the actor's key."""
        own = self.caller.expires
        if own is not None and (expires is None or expires > own):
            raise Forbidden(
                f"{what} would outlive your own key, which ends at {own:.0f} (Unix seconds).",
                param="expires_in_s",
                limit=own,
            )

    def check_grant(self, scopes: Iterable[Scope], what: str) -> None:
        """Raises Forbidden, with a missing scope, unless the caller has every one of `scopes`."""
        missing = sorted(scope for scope in scopes if not self.caller.allows(scope))
        if missing:
            raise Forbidden(
                f"{what} has the scope '{missing[0]}', which you lack.",
                required_scope=str(missing[0]),
                param="scopes",
            )
