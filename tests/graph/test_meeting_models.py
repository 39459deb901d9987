"""When a new ingress replica joins: beside others, not before every model has answered."""

import pytest

from cluster.runtime.problems import Overloaded
from deployments.clients.serve import backends
from deployments.clients.serve.backends import wait_for_models
from deployments.contracts.generation import ModelCard

CARD = ModelCard("m", "echo", "echo", "1", 16, 0)


class Loading:
    """Answers from the time `needed` on that it is asked."""

    def __init__(self, needed: int) -> None:
        self.asked, self._needed = 0, needed

    async def card(self) -> ModelCard:
        self.asked += 1
        if self.asked < self._needed:
            raise Overloaded("Not up.")
        return CARD


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_POLL_S", 0.001)
    monkeypatch.setattr(backends, "_other_replicas_serve", lambda: True)


async def test_it_waits_for_every_model() -> None:
    models = Loading(1), Loading(5)

    await wait_for_models(models)

    assert [model.asked for model in models] == [1, 5]


async def test_a_model_that_never_comes_does_not_keep_it_for_ever() -> None:
    await wait_for_models([Loading(10**9)], timeout_s=0.02)


async def test_a_replica_that_is_alone_joins_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_other_replicas_serve", lambda: False)
    model = Loading(1)

    await wait_for_models([model])

    assert model.asked == 0


def test_outside_of_a_cluster_nobody_else_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    assert not backends._other_replicas_serve()
