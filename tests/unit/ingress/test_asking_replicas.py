"""Figures of all replicas: who is late or fails is left out, and costs nobody else's answer."""

import asyncio
from typing import Any

import pytest

from deployments.clients.serve.serve_status import collect_answers, parse_status


class Replica:
    """One replica's answer, an error, or (None) silence."""

    def __init__(self, answer: object) -> None:
        self._answer = answer
        self.given_up = False

    async def get_async(self) -> object:
        if isinstance(self._answer, Exception):
            raise self._answer
        if self._answer is None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.given_up = True
                raise
        return self._answer


class Handle:
    def __init__(self, *replicas: Replica) -> None:
        self._replicas = replicas
        self.asked: tuple[Any, ...] = ()

    def broadcast(self, *asked: Any) -> "Handle":
        self.asked = asked
        return self

    async def _fetch_replica_results_async(self) -> list[Replica]:
        return list(self._replicas)


async def test_answers_come_from_those_that_give_one_in_time() -> None:
    silent = Replica(None)
    handle: Any = Handle(Replica("a"), silent, Replica(OSError("gone")), Replica("b"))

    found = await collect_answers(handle, 0.05, "report", "scaling")
    await asyncio.sleep(0)

    assert sorted(found) == ["a", "b"]
    assert handle.asked == ("report", "scaling")
    assert silent.given_up


async def test_the_time_is_for_finding_the_replicas_and_for_their_answers_together() -> None:
    class Late(Handle):
        async def _fetch_replica_results_async(self) -> list[Replica]:
            await asyncio.sleep(0.2)
            return await super()._fetch_replica_results_async()

    handle: Any = Late(Replica(None), Replica("a"))
    loop = asyncio.get_running_loop()
    began = loop.time()

    assert await collect_answers(handle, 0.3, "report") == ["a"]
    assert loop.time() - began < 0.45


async def test_without_replicas_there_are_no_answers() -> None:
    nobody: Any = Handle()

    assert await collect_answers(nobody, 0.05, "load") == []


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("RUNNING", "ready"),
        ("PENDING_MIGRATION", "ready"),
        ("STARTING", "starting"),
        ("UPDATING", "starting"),
        ("RECOVERING", "starting"),
        ("STOPPING", "stopping"),
    ],
)
def test_what_serve_says_of_its_deployments_is_put_in_our_words(word: str, state: str) -> None:
    replica = {"replica_id": "abc", "state": word, "node_id": "n1", "node_ip": "10.0.0.1"}
    model = {"status": "HEALTHY", "target_num_replicas": 2, "replicas": [replica]}
    details = {"applications": {"mobula": {"deployments": {"Model:a": model}}, "other": {}}}

    sight = parse_status(details, "mobula", 7.0)

    [found] = sight.deployments.values()
    assert (sight.at, found.name, found.target) == (7.0, "Model:a", 2)
    assert [each.state for each in found.replicas] == [state]
    assert (found.replicas[0].node, found.replicas[0].since) == ("n1", 0.0)


def test_an_application_that_is_gone_has_no_deployments() -> None:
    assert parse_status({"applications": {}}, "mobula", 7.0).deployments == {}
