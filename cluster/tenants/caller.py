"""Who is asking: resolved once from a credential, then passed explicitly to every stage."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a credential may do. A route names the scope that it needs."""

    GENERATE = "generate"
    MODELS_READ = "models:read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant's authenticated key. It crosses processes, so it holds no secret.

    `scopes` is what the key may do; `key_id` is the public part of the key, fit for logs.
    """

    tenant: str
    key_id: str
    scopes: frozenset[Scope]
    plan: str = "default"

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes
