"""Calls of the ingress by a Serve handle: an operation and its body in, answer or events out."""

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import cached_property
from typing import Any, TypeVar, cast

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from cluster.client.event_loop import END, close, next_item, run_on_client_loop
from cluster.ops.ray_connection import connect
from cluster.resilience.failure_class import Unavailable
from cluster.resilience.ray_errors import REMOTE_ERRORS, from_ray
from cluster.runtime.json_values import encode
from cluster.runtime.problems import InvalidRequest, Overloaded, Problem
from cluster.tracing.log_context import current_traceparent

_REMOTE = (*REMOTE_ERRORS, OSError, TimeoutError, Problem)
_TARGET = "mobula"

Event = tuple[str | None, dict[str, Any]]
Answer = TypeVar("Answer")


class HandleCalls:
    """The calls of one client, on the loop of event_loop.py."""

    def __init__(
        self,
        api_key: str,
        *,
        app: str = "mobula",
        timeout_s: float = 60.0,
        priority: str | None = None,
    ) -> None:
        """`app` is the Serve application; `timeout_s` bounds every call, queueing included;
        `priority` (interactive, standard, batch) is how urgent its calls are to the tenant.
        Raises InvalidRequest.
        """
        if not isinstance(timeout_s, int | float) or not 0 < timeout_s < math.inf:
            raise InvalidRequest("timeout_s must be more than 0 and finite.", param="timeout_s")
        self._api_key = api_key
        self._app = app
        self._timeout_s = timeout_s
        self._priority = priority

    async def _call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await run_on_client_loop(self._call_on_client_loop(operation, body))

    async def _events(self, operation: str, body: Mapping[str, Any]) -> AsyncGenerator[Event, None]:
        stream = self._stream_on_client_loop(operation, body)
        try:
            while (event := await run_on_client_loop(next_item(stream))) is not END:
                yield cast("Event", event)
        finally:
            await run_on_client_loop(close(stream))

    async def _call_on_client_loop(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        arguments = self._arguments(operation, body)
        if trace := current_traceparent():  # of a job that the cluster runs
            try:
                return await self._ask(*arguments, trace)
            except Problem as problem:
                if not _may_be_older(problem):
                    raise
        return await self._ask(*arguments)

    async def _ask(self, *arguments: Any) -> dict[str, Any]:
        response = self._handle.call.remote(*arguments)
        try:
            async with asyncio.timeout(self._timeout_s):
                return _raise_if_problem(await response)
        except _REMOTE as error:
            raise _problem(error) from None
        finally:
            response.cancel()  # no effect on a call that has ended

    async def _stream_on_client_loop(
        self, operation: str, body: Mapping[str, Any]
    ) -> AsyncGenerator[Event, None]:
        arguments = self._arguments(operation, body)
        if trace := current_traceparent():
            has_begun = False
            try:
                async with aclosing(self._ask_for_events(*arguments, trace)) as events:
                    async for event in events:
                        has_begun = True
                        yield event
            except Problem as problem:
                if has_begun or not _may_be_older(problem):
                    raise
            else:
                return
        async with aclosing(self._ask_for_events(*arguments)) as events:
            async for event in events:
                yield event

    async def _ask_for_events(self, *arguments: Any) -> AsyncGenerator[Event, None]:
        response = self._streaming.stream.remote(*arguments)
        try:
            async for event in response:
                yield _raise_if_problem(event)
        except _REMOTE as error:
            raise _problem(error) from None
        finally:
            response.cancel()

    @cached_property
    def _handle(self) -> DeploymentHandle:
        connect()
        try:
            return serve.get_app_handle(self._app)
        except (RayServeException, RayError) as error:
            raise Overloaded(f"Application '{self._app}' is not running here.") from error

    @cached_property
    def _streaming(self) -> DeploymentHandle:
        return self._handle.options(stream=True)

    def _arguments(self, operation: str, body: Mapping[str, Any]) -> tuple[Any, ...]:
        given = {key: value for key, value in body.items() if value is not None}
        return self._api_key, operation, encode(given), self._timeout_s, self._priority


def _may_be_older(problem: Problem) -> bool:
    """Whether an ingress replica that knows no traces may have answered: version 0.1 fails before
    it does anything if it is given one, and runs beside newer replicas during a roll."""
    return type(problem) is Problem


def _raise_if_problem(given: Answer | Problem) -> Answer:
    """Raises a problem that was returned as a response."""
    if isinstance(given, Problem):
        raise given
    return given


def _problem(error: Exception) -> Problem:
    try:
        return from_ray(error, _TARGET)
    except Exception:  # noqa: BLE001  none of Ray's: what connections and codecs raise
        why = f"'{_TARGET}' cannot be reached ({type(error).__name__})."
        return Unavailable(why, retry_after_s=2.0)
