"""No route waits for the body of somebody whose credential it has not seen."""

import re

import httpx
from starlette.types import ASGIApp

from deployments.ingress.http.openapi import PUBLIC
from tests.api.wire import Wire

DECLARED = (("content-type", "application/json"), ("content-length", "100"))


async def test_a_stranger_whose_body_does_not_come_is_401_on_every_route(
    app: ASGIApp, client: httpx.AsyncClient
) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    asked = [
        (method.upper(), re.sub(r"{[^}]*}", "abcd", path))
        for path, item in paths.items()
        for method in item
        if path not in PUBLIC
    ]

    found = {
        (method, path): (await Wire(app, path, method, DECLARED).start().ended()).status
        for method, path in asked
    }

    assert len(found) > 70
    assert {key: status for key, status in found.items() if status != 401} == {}
