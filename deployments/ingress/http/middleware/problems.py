"""Turns whatever a layer or the application raises into an answer; the last line of defence."""

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.runtime.problems import to_problem
from deployments.ingress.http.problems import send_problem

logger = logging.getLogger("mobula.ingress")


class Problems:
    """Unknown errors are logged whole and answered with a constant text.

    Once an answer has begun there is no status left to send: the connection is cut, so that the
    client cannot take half an answer for a whole one. (Starlette answers an unknown error by the
    application's handler and then raises it again: that answer is whole, and the error known.)
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = whole = False

        async def noting(message: Message) -> None:
            nonlocal started, whole
            started = True
            whole = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if whole:
                return
            problem = to_problem(error)
            if problem is not error:
                logger.exception("request %s failed", scope["state"].get("request_id"))
            if started:
                raise
            scope["state"]["problem"] = problem.slug
            await send_problem(problem, scope, send)
