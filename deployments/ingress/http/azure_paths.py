"""Paths of Azure's clients of OpenAI, on the routes that there are.

`/openai/v1/...` is `/v1/...`, and so is `/openai/...`. `/openai/deployments/{model}/...` names the
model in the path. What `api-version` says is ignored.
"""

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.runtime.problems import ClientGone

PREFIX = "/openai"
DEPLOYMENTS = f"{PREFIX}/deployments/{{model:path}}"


class AzurePaths:
    """Hands requests for `/openai/v1/...` and `/openai/...` to `app` as requests for `/v1/...`,
    but for those under a deployment; the access log shows them so.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(f"{PREFIX}/"):
            path = _plain(scope["path"])
            scope = {**scope, "path": path, "raw_path": path.encode("utf-8", "surrogateescape")}
        await self._app(scope, receive, send)


def _plain(path: str) -> str:
    """The path of OpenAI's own API; one under a deployment is left as it is."""
    rest = path.removeprefix(PREFIX)
    if rest.startswith("/deployments/"):
        return path
    return rest if rest.startswith("/v1/") else f"/v1{rest}"


async def with_model(request: Request, model: str) -> Request:
    """The request, whose body names `model`, whatever it named before. A body that is no JSON
    object is left as it is, for the schema to refuse. Raises ClientGone.
    """
    try:
        raw = await request.body()
    except ClientDisconnect:
        raise ClientGone("The client disconnected before its body arrived.") from None
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if isinstance(body, dict):
        raw = orjson.dumps(body | {"model": model})
    messages: list[Message] = [{"type": "http.request", "body": raw, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else await request.receive()

    return Request(request.scope, receive)
