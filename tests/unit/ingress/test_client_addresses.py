"""Whose address a request has: of connections without one, nothing is read."""

from deployments.ingress.http.client_address import ClientAddress


async def test_what_is_no_request_is_passed_on_unchanged() -> None:
    scopes = []

    async def app(scope, receive, send) -> None:
        scopes.append(scope)

    async def nothing(*_arguments) -> None:
        raise AssertionError

    await ClientAddress(app, ["10.0.0.0/8"], None)({"type": "lifespan"}, nothing, nothing)

    assert scopes == [{"type": "lifespan"}]
