"""Calls for documents: sending, asking, summaries."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mobula_client.attempts import Attempts, Call, Pause

DOCUMENTS = "/api/v1/documents"
UNFINISHED = ("reading", "readable")
POLL_S = 0.5


class DocumentCalls(Attempts):
    """What `Calls` does with documents."""

    def add_document(
        self, source: Mapping[str, Any], wait: bool, options: Mapping[str, Any]
    ) -> Call[dict[str, Any]]:
        """Under one key there is one document."""
        key = self.options.idempotency_key or uuid.uuid4().hex
        given = {name: value for name, value in {**source, **options}.items() if value is not None}
        response = yield from self.attempts("POST", DOCUMENTS, given, idempotency_key=key)
        return (yield from self._finished(dict(response.json()), wait))

    def send_document(
        self, file: Path, wait: bool, options: Mapping[str, Any]
    ) -> Call[dict[str, Any]]:
        """The same for a file of this machine, which is sent in a form."""
        fields = {
            name: str(value).lower() if isinstance(value, bool) else value
            for name, value in options.items()
            if value is not None
        }
        response = yield from self.send_form(DOCUMENTS, file, fields)
        return (yield from self._finished(dict(response.json()), wait))

    def _finished(self, document: dict[str, Any], wait: bool) -> Call[dict[str, Any]]:
        """The document once it is indexed or has failed; one that nobody works on as it is."""
        while wait and document["job"] and document["state"] in UNFINISHED:
            yield Pause(POLL_S)
            document = yield from self.get_document(document["id"])
        return document

    def get_document(self, document: str) -> Call[dict[str, Any]]:
        response = yield from self.attempts("GET", f"{DOCUMENTS}/{document}")
        return dict(response.json())

    def delete_document(self, document: str) -> Call[None]:
        yield from self.attempts("DELETE", f"{DOCUMENTS}/{document}")

    def summarize_document(self, document: str, options: Mapping[str, Any]) -> Call[dict[str, Any]]:
        response = yield from self.attempts("POST", f"{DOCUMENTS}/{document}/summary", options)
        return dict(response.json())

    def ask_documents(self, question: str, options: Mapping[str, Any]) -> Call[dict[str, Any]]:
        body = {"question": question, **options}
        response = yield from self.attempts("POST", f"{DOCUMENTS}/ask", body)
        return dict(response.json())
