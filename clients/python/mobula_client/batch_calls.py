"""Calls for batches, and for the files that they are made of."""

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mobula_client.attempts import Attempts, Call, as_list

BATCHES, FILES = "/api/v1/batches", "/v1/files"


class BatchCalls(Attempts):
    """What `Calls` does with batches and files."""

    def create_batch(
        self, operation: str, items: Sequence[Mapping[str, Any]] | None, file: str | None
    ) -> Call[dict[str, Any]]:
        """Under one key there is one batch."""
        body: dict[str, Any] = {"operation": operation, "input_file": file}
        if items is not None:
            body["items"] = as_list(items, "items")
        key = self.options.idempotency_key or uuid.uuid4().hex
        response = yield from self.attempts("POST", BATCHES, body, idempotency_key=key)
        return dict(response.json())

    def get_batch(self, batch: str, wait: bool) -> Call[dict[str, Any]]:
        response = yield from self.attempts("GET", f"{BATCHES}/{batch}")
        found = dict(response.json())
        while wait and found["ended"] is None:
            found = yield from self.poll(f"{BATCHES}/{batch}")
        return found

    def cancel_batch(self, batch: str) -> Call[dict[str, Any]]:
        response = yield from self.attempts("POST", f"{BATCHES}/{batch}/cancel", {})
        return dict(response.json())

    def send_file(self, file: Path, purpose: str) -> Call[str]:
        """The id of a file of `/v1/files`."""
        response = yield from self.send_form(FILES, file, {"purpose": purpose})
        return str(response.json()["id"])

    def file_content(self, file: str) -> Call[bytes]:
        response = yield from self.attempts("GET", f"{FILES}/{file}/content")
        return bytes(response.content)
