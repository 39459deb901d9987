"""The `Ingress` deployment: HTTP and Python handles meet the request path here.

It only builds the collaborators and hands over: HTTP goes to the application of `create_app`,
handle calls go to the same operations with the same checks.
"""

import os
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp

from cluster.auth.keys import KeyDirectory
from cluster.clock import SystemClock
from cluster.journal import Journal
from cluster.logs import configure_logging
from cluster.problems import InvalidRequest
from cluster.settings import Settings
from cluster.version import VERSION
from deployments.content.registry import Providers
from deployments.ingress.app import create_app
from deployments.ingress.body import parse_json
from deployments.ingress.credentials import call_by_handle
from deployments.ingress.models import Models
from deployments.ingress.operations import operations
from deployments.ingress.path import Path
from deployments.ingress.services import Services
from deployments.remote import RemoteModel


class Ingress:
    """A plain class; `graphs/app.py` makes it a deployment."""

    def __init__(
        self,
        models: Mapping[str, DeploymentHandle],
        default_provider: str,
        providers: Mapping[str, str],
    ) -> None:
        settings, clock = Settings(), SystemClock()
        configure_logging(settings.log_level)
        self._journal = Journal(settings.home / "logs", f"access-{os.getpid()}")
        remote = {model: RemoteModel(model, handle) for model, handle in models.items()}
        directory = Models(remote, clock)
        self._path = Path(directory)
        self._services = Services(
            settings=settings,
            authenticator=KeyDirectory.load(settings.home),
            models=directory,
            path=self._path,
            providers=Providers(dict.fromkeys(models, self._path), default_provider, providers),
            clock=clock,
            version=VERSION,
            access_log=self._journal.write,
            load=self._path.load,
        )
        self._operations = operations(self._services)

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        return create_app(self._services, behind_serve=True)

    async def call(self, api_key: str, operation: str, body: bytes, timeout_s: float) -> Any:
        """One operation by handle: JSON bytes in, the answer out; raises Problems."""
        run, call, parsed = self._open(api_key, operation, body, timeout_s)
        return await run.answer(call, parsed)

    async def stream(
        self, api_key: str, operation: str, body: bytes, timeout_s: float
    ) -> AsyncGenerator[tuple[str | None, Any], None]:
        """The same as (event name, value) pairs."""
        run, call, parsed = self._open(api_key, operation, body, timeout_s)
        async with aclosing(run.events(call, parsed)) as events:
            async for event in events:
                yield event

    def _open(self, api_key: str, name: str, body: bytes, timeout_s: float) -> tuple[Any, Any, Any]:
        call = call_by_handle(self._services, api_key, f"req_{uuid.uuid4().hex}", timeout_s)
        operation = self._operations.get(name)
        if operation is None:
            known = ", ".join(self._operations)
            raise InvalidRequest(f"No operation '{name[:50]}'; operations: {known}.")
        return operation, call, parse_json(body, operation.schema)

    async def check_health(self) -> None:
        """Answering at all shows that the event loop turns; models have health of their own."""
