"""Everything the web app stands on, handed to it by whoever starts it (Serve, or a test)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cluster.clock import Clock
from cluster.settings import Settings
from cluster.tenants.caller import Caller
from deployments.content.registry import Providers
from deployments.contracts.generation import Generator
from deployments.ingress.models import Models


class Authenticator(Protocol):
    """Resolves a credential to its caller; raises Unauthenticated."""

    def verify(self, presented: str) -> Caller: ...


@dataclass(frozen=True)
class Services:
    """The collaborators of `create_app`.

    `path` is the request path as a Generator: what operations call to get text.
    `providers` are the names under which content may be asked for. `access_log` takes
    one JSON line a request; `load` reports this replica's own figures for `/health`.
    """

    settings: Settings
    authenticator: Authenticator
    models: Models
    path: Generator
    providers: Providers
    clock: Clock
    version: str
    access_log: Callable[[bytes], None]
    load: Callable[[], Mapping[str, Any]] = dict
