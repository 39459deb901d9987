"""Which methods a path has: the field `Allow` of every 405 (RFC 9110 section 10.2.1)."""

from collections.abc import Iterable, Sequence
from re import Pattern

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, compile_path


class AllowedMethods:
    """Of all routes together: the framework itself names those of the first route that matches."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes
        self._table: list[tuple[Pattern[str], set[str]]] = []

    def of(self, path: str) -> str:
        """As a field's value; empty for a path that no route has."""
        if not self._table:
            self._table = list(_table(self._routes))
        found = {
            method for regex, methods in self._table if regex.match(path) for method in methods
        }
        return ", ".join(sorted(found | ({"HEAD"} if "GET" in found else set())))


def _table(routes: Sequence[BaseRoute]) -> Iterable[tuple[Pattern[str], set[str]]]:
    for route in iter_route_contexts(routes):
        if route.path is not None:
            yield compile_path(route.path)[0], set(route.methods or ())
