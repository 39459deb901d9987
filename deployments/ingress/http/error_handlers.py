"""What an application answers when a route raises, or when there is no route."""

import logging
from collections.abc import Iterable, Sequence
from re import Pattern
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, compile_path

from cluster.runtime.problems import MethodNotAllowed, NotFound, Problem, to_problem
from deployments.ingress.context import request_state
from deployments.ingress.http.base_urls import meant_path, openai_paths, wrong_base_url
from deployments.ingress.http.problems import from_http_exception, render
from deployments.ingress.http.validation import of_parameters

logger = logging.getLogger("mobula.ingress")


def add_error_handlers(api: FastAPI) -> None:
    """Call it when `api` has all its routes: errors name the methods and paths that there are."""
    api.state.allowed_methods = AllowedMethods(api.routes)
    paths = (route.path for route in iter_route_contexts(api.routes) if route.path is not None)
    api.state.openai_paths = openai_paths(paths)
    api.add_exception_handler(Problem, _on_problem)
    api.add_exception_handler(HTTPException, _on_http_exception)
    api.add_exception_handler(RequestValidationError, _on_validation_error)
    api.add_exception_handler(Exception, _on_unknown_error)


class AllowedMethods:
    """The methods of each path, for the header `Allow` of a 405 (RFC 9110 section 10.2.1).

    Of all routes: FastAPI itself names the methods of the first route that matches.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes
        self._table: list[tuple[Pattern[str], set[str]]] = []

    def header(self, path: str) -> str:
        """The value of the header; empty for a path that no route has."""
        if not self._table:
            self._table = list(_methods_by_path(self._routes))
        allowed = {
            method
            for path_regex, methods in self._table
            if path_regex.match(path)
            for method in methods
        }
        return ", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))


def _methods_by_path(routes: Sequence[BaseRoute]) -> Iterable[tuple[Pattern[str], set[str]]]:
    for route in iter_route_contexts(routes):
        if route.path is not None:
            yield compile_path(route.path)[0], set(route.methods or ())


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _respond(request, error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == NotFound.status:
        meant = meant_path(path, request.app.state.openai_paths)
        if meant is not None:
            return _respond(request, wrong_base_url(path, meant), path=meant)
    return _respond(request, from_http_exception(error), error.headers)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    """Path and query parameters, which FastAPI itself checks."""
    assert isinstance(error, RequestValidationError)
    return _respond(request, of_parameters(error.errors()))


async def _on_unknown_error(request: Request, error: Exception) -> Response:
    logger.error("request %s failed", request_state(request.scope).request_id, exc_info=error)
    return _respond(request, to_problem(error))


def _respond(
    request: Request, problem: Problem, headers: Any = None, path: str | None = None
) -> Response:
    """`path` is the one whose form the body has (None: the request's)."""
    state = request_state(request.scope)
    state.problem = problem.slug
    status, body, media_type = render(problem, path or request.url.path, state.request_id)
    extra = {**(headers or {}), **problem.headers, "Cache-Control": "no-store"}
    if problem.status == MethodNotAllowed.status:
        allowed: AllowedMethods = request.app.state.allowed_methods
        extra["Allow"] = allowed.header(request.url.path)
    return Response(body, status, extra, media_type)
