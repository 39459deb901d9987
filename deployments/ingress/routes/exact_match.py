"""The hot routes, without a router: an exact path leads straight to its endpoint.

FastAPI describes these routes and would serve them as well; matching, dependency solving and its
own layers cost it about as much as everything that we do. Whatever is not an exact match goes on
to FastAPI. Problems are raised, for the layer of that name to answer.
"""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.ingress.routes.operations import Endpoint


class ExactRoutes:
    """`endpoints` maps the paths of POST routes to their endpoints."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint]) -> None:
        self._app = app
        self._endpoints = dict(endpoints)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        endpoint = self._endpoints.get(scope["path"])
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)
