"""Who may enter a route that brings recordings, and what stands behind it.

Flows in: a request. Flows out: an `MediaAccess` for as long as it is served: the call, let in
through the
tenant's gate, and the collaborators; or Unauthenticated (401), Forbidden (403), VideoOff (404).
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.ingress.authentication import authenticate
from deployments.ingress.context import RequestContext
from deployments.ingress.permissions import MAX_RESOURCE, services_of
from deployments.video.services import MediaServices, VideoDisabled


@dataclass(frozen=True, slots=True)
class MediaAccess:
    """An allowed call, and where it leads."""

    call: RequestContext
    media: MediaServices

    @property
    def tenant(self) -> str:
        return self.call.caller.tenant

    @property
    def key(self) -> str:
        return self.call.caller.key_id


def _entering(
    scope: Scope, request_class: RequestClass
) -> Callable[..., AsyncIterator[MediaAccess]]:
    """Grants `scope` in the caller's tenant; counted as one request of the class."""

    async def enter(request: Request) -> AsyncIterator[MediaAccess]:
        services = services_of(request)
        call = authenticate(services, request, request_class)
        action = f"media.{request.method.lower()}"
        resource = request.scope["path"][:MAX_RESOURCE]
        async with services.gate.admitted(call, request_class, action, resource) as entrance:
            request.scope["state"]["fields"] = entrance.headers
            call.require(scope)
            if services.media is None:
                raise VideoDisabled
            yield MediaAccess(call, services.media)

    return enter


ReadsMedia = Annotated[MediaAccess, Depends(_entering(Scope.MEDIA_READ, RequestClass.READ))]
LooksAtUpload = Annotated[MediaAccess, Depends(_entering(Scope.MEDIA_WRITE, RequestClass.READ))]
WritesMedia = Annotated[MediaAccess, Depends(_entering(Scope.MEDIA_WRITE, RequestClass.MEDIA))]
