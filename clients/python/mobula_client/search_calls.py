"""Calls for collections: what they hold, and queries of them."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mobula_client.attempts import Attempts, Call, as_list

COLLECTIONS = "/api/v1/collections"


class SearchCalls(Attempts):
    """What `Calls` does with collections."""

    def create_collection(self, body: Mapping[str, Any]) -> Call[dict[str, Any]]:
        response = yield from self.attempts("POST", COLLECTIONS, body)
        return dict(response.json())

    def delete_collection(self, collection: str) -> Call[None]:
        yield from self.attempts("DELETE", _path(collection))

    def put_points(
        self, collection: str, points: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> Call[dict[str, Any]]:
        """Under one key they are stored once."""
        body = {"points": as_list(points, "points"), **options}
        key = self.options.idempotency_key or uuid.uuid4().hex
        path = f"{_path(collection)}/points"
        response = yield from self.attempts("PUT", path, body, idempotency_key=key)
        return dict(response.json())

    def delete_points(
        self, collection: str, ids: Sequence[str] | None, filter: Mapping[str, Any] | None
    ) -> Call[dict[str, Any]]:
        body = {"ids": None if ids is None else as_list(ids, "ids"), "filter": filter}
        path = f"{_path(collection)}/points/delete"
        response = yield from self.attempts("POST", path, body)
        return dict(response.json())

    def query_collection(
        self, collection: str, text: str | None, options: Mapping[str, Any]
    ) -> Call[list[dict[str, Any]]]:
        body = {"text": text, **options}
        response = yield from self.attempts("POST", f"{_path(collection)}/query", body)
        return list(response.json()["results"])


def _path(collection: str) -> str:
    return f"{COLLECTIONS}/{quote(collection, safe='')}"
