"""What links of a process offer, by its settings."""

import pytest

from cluster.runtime.settings import Settings
from deployments.clients.link.options import ACCEPT, FEATURES, LinkOptions, link_options


def test_every_feature_is_offered_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOBULA_LINK_FEATURES_OFF", raising=False)

    assert link_options(Settings()) == LinkOptions(features=FEATURES)


def test_features_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOBULA_LINK_FEATURES_OFF", "join, accept")
    assert link_options(Settings()).features == frozenset()
    monkeypatch.setenv("MOBULA_LINK_FEATURES_OFF", "join")
    assert link_options(Settings()).features == {ACCEPT}


def test_a_feature_that_there_is_not_is_refused() -> None:
    settings = Settings(link_features_off=("joins",))

    with pytest.raises(ValueError, match="MOBULA_LINK_FEATURES_OFF: links have no feature joins"):
        link_options(settings)
