"""Who may use the routes of documents, as FastAPI dependencies (permissions.py has the others)."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Path, Request

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.ingress.admission import MAX_RESOURCE
from deployments.ingress.authentication import authenticate
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.documents import DocumentServices, require_documents
from deployments.ingress.permissions import services_of

DocumentIdInPath = Annotated[
    str, Path(pattern=r"^[0-9A-Za-z_-]{1,63}$", description="The document's id.")
]


@dataclass(frozen=True, slots=True)
class DocumentAccess:
    """An admitted request that concerns documents of the caller's tenant."""

    request: AdmittedRequest
    documents: DocumentServices

    @property
    def tenant(self) -> str:
        return self.request.caller.tenant


def _granted(scope: Scope, request_class: RequestClass) -> Callable[..., Any]:
    async def grant(request: Request) -> AsyncIterator[DocumentAccess]:
        services = services_of(request)
        context = authenticate(services, request, request_class)
        action = f"documents.{request.method.lower()}"
        resource = request.scope["path"][:MAX_RESOURCE]
        async with services.admission.admitted(
            context, request_class, action, resource, scope
        ) as admitted:
            yield DocumentAccess(admitted, require_documents(services.documents))

    return grant


ReadsDocuments = Annotated[
    DocumentAccess, Depends(_granted(Scope.DOCUMENTS_READ, RequestClass.READ))
]
AnalysesDocuments = Annotated[
    DocumentAccess, Depends(_granted(Scope.DOCUMENTS_READ, RequestClass.ANALYSE))
]
DeletesDocuments = Annotated[
    DocumentAccess, Depends(_granted(Scope.DOCUMENTS_WRITE, RequestClass.ADMIN))
]
