"""Keys, callers and a client for the web application under test."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import httpx
from starlette.types import ASGIApp

from cluster.runtime.problems import Unauthenticated
from cluster.runtime.settings import Settings
from cluster.tenants.caller import Caller, Scope
from deployments.ingress.services import AppServices

ADMIN_KEY = "mob_admin_secret"
READER_KEY = "mob_reader_secret"  # may list models and nothing else
CALLERS = {
    ADMIN_KEY: Caller("acme", "admin", frozenset({Scope.ADMIN})),
    READER_KEY: Caller("acme", "reader", frozenset({Scope.MODELS_READ})),
}
MakeServices = Callable[..., AppServices]


@cache
def _settings() -> Settings:
    """The environment is read once for all tests."""
    return Settings()


def settings_of(home: Path, **settings: object) -> Settings:
    """The settings of an application whose home is `home`."""
    if settings:
        return Settings(home=home, **settings)  # type: ignore[arg-type]
    return _settings().model_copy(update={"home": home})


class FixedKeys:
    """Knows the two keys above."""

    def verify(self, presented: str) -> Caller:
        try:
            return CALLERS[presented]
        except KeyError:
            raise Unauthenticated("This key is not known.") from None


def client_of(app: ASGIApp, key: str | None = ADMIN_KEY) -> httpx.AsyncClient:
    """A client that speaks to `app` in this process and presents `key`."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://mobula.test", headers=headers)
