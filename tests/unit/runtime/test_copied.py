"""Copies of values with some fields changed, and how rarely the collector runs."""

import gc
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cluster.runtime.garbage_collection import YOUNG_OBJECTS, collect_rarely
from cluster.runtime.pickle_compat import copied
from cluster.tenants.caller import Caller
from deployments.contracts.generation import GenerateRequest, Message, Sampling

REQUEST = GenerateRequest(
    "id", Caller("acme", "key", frozenset()), "m", Sampling(top_k=3), (Message("user", "hi"),)
)


def test_a_copy_equals_what_replace_makes() -> None:
    assert copied(REQUEST, call="c1", n=2) == replace(REQUEST, call="c1", n=2)


def test_the_original_stays_as_it_was() -> None:
    copied(REQUEST, call="c1")

    assert REQUEST.call == ""


@pytest.fixture
def _thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("_thresholds")
def test_only_the_youngest_generation_is_collected_more_rarely() -> None:
    _, middle, old = gc.get_threshold()

    collect_rarely()

    assert gc.get_threshold() == (YOUNG_OBJECTS, middle, old)
