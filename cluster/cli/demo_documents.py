"""The step of `mobula demo` about a document: sent, asked, deleted.

In: a client of the running cluster. Out: lines on the terminal. Where this cluster reads no
documents, the step says so and is left out.
"""

import time
from http.client import NOT_IMPLEMENTED
from typing import Any

import httpx

from cluster.cli.demo_drafts import DemoFailed
from cluster.cli.output import print_plain, print_rich

HANDBOOK = """# Handbook of the roastery

## The espresso machine

The espresso machine Falcon X200 comes with a warranty of five years. Its filter is changed every
three months, and the boiler is cleaned once a year.

## Opening hours

On Saturdays the roastery opens at nine and closes at six in the evening.
"""
QUESTIONS = (
    "How long is the warranty of the Falcon X200?",
    "Who painted the sign above the door?",
)
WAIT_S, POLL_S = 60.0, 0.5
DOCUMENTS = "/api/v1/documents"


def ask_document(http: httpx.Client) -> None:
    print_rich("\n[bold]7. A document answers, with quotes[/]  /api/v1/documents")
    files = {"file": ("handbook.md", HANDBOOK.encode(), "text/markdown")}
    sent = http.post(DOCUMENTS, files=files, timeout=WAIT_S)
    if sent.status_code == NOT_IMPLEMENTED:
        print_plain(f"  left out: {sent.json()['detail']}")
        return
    if not sent.is_success:
        raise DemoFailed(f"the document was refused: {sent.text[:300]}")
    document = _indexed(http, sent.json())
    try:
        for question in QUESTIONS:
            body = {"question": question, "documents": [document["id"]], "method": "extractive"}
            answer = http.post(f"{DOCUMENTS}/ask", json=body, timeout=WAIT_S)
            if answer.status_code == NOT_IMPLEMENTED:
                print_plain(f"  left out: {answer.json()['detail']}")
                return
            if not answer.is_success:
                raise DemoFailed(f"the question was refused: {answer.text[:300]}")
            print_plain(f"  {question}")
            print_plain(f"    {answer.json()['answer']}")
    finally:
        http.delete(f"{DOCUMENTS}/{document['id']}")


def _indexed(http: httpx.Client, document: dict[str, Any]) -> dict[str, Any]:
    until = time.monotonic() + WAIT_S
    while document["state"] in ("reading", "readable"):
        if time.monotonic() > until:
            raise DemoFailed(f"the document is still {document['state']} after {WAIT_S:g} s")
        time.sleep(POLL_S)
        document = http.get(f"{DOCUMENTS}/{document['id']}").json()
    if document["state"] != "indexed":
        raise DemoFailed(f"the document has failed: {document['problem']}")
    return document
