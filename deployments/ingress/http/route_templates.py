"""The template of the route that a path belongs to: `/api/v1/jobs/{job}` for a job's.

In: the routes of the application. Out: templates, a bounded set whatever paths are asked for.
"""

from collections.abc import Iterable, Sequence
from re import Pattern

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, compile_path

from cluster.metrics.metric import OTHER


class RouteTemplates:
    """Paths without parameters are found in a table; the others are tried one after another."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes
        self._exact: frozenset[str] = frozenset()
        self._patterns: list[tuple[Pattern[str], str]] = []

    def find(self, path: str) -> str:
        """OTHER for a path that no route has."""
        if not self._exact:
            self._build(route.path for route in iter_route_contexts(self._routes) if route.path)
        if path in self._exact:
            return path
        matches = (template for regex, template in self._patterns if regex.match(path))
        return next(matches, OTHER)

    def _build(self, templates: Iterable[str]) -> None:
        found = dict.fromkeys(templates)
        self._exact = frozenset(path for path in found if "{" not in path)
        self._patterns = [(compile_path(path)[0], path) for path in found if "{" in path]
