"""The HTTP client and the handle client are one interface: methods, arguments, problems."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import mobula_client
from cluster import client as handles
from cluster.resilience import failure_class
from cluster.runtime import problems as of_cluster
from cluster.runtime.version import VERSION
from deployments.providers.errors import UpstreamUnreachable
from mobula_client import AsyncMobula, Mobula
from mobula_client import problems as of_client

MORE = {
    "cancel_batch", "close", "create_collection", "delete_collection", "delete_document",
    "download", "file_content", "get_batch", "send_document", "send_file", "transcribe", "upload",
    "with_options",
}  # fmt: skip  # of other machines alone


def methods(kind: type) -> dict[str, Any]:
    return {name: each for name, each in vars(kind).items() if callable(each) and name[0] != "_"}


def arguments(method: Any) -> list[tuple[str, Any, Any]]:
    """Names, kinds and defaults; annotations are each module's own."""
    found = inspect.signature(method).parameters.values()
    return [(each.name, each.kind, each.default) for each in found]


@pytest.mark.parametrize("client", [AsyncMobula, Mobula])
def test_methods_and_arguments_are_those_of_the_handle_client(client: type) -> None:
    ours, theirs = methods(client), methods(handles.AsyncMobula)

    assert ours.keys() == theirs.keys() | MORE
    assert methods(handles.Mobula).keys() == theirs.keys()
    assert {name: arguments(ours[name]) for name in theirs} == {
        name: arguments(each) for name, each in theirs.items()
    }


def test_both_clients_have_the_same_extras() -> None:
    ours, blocking = methods(AsyncMobula), methods(Mobula)

    assert {name: arguments(ours[name]) for name in MORE} == {
        name: arguments(blocking[name]) for name in MORE
    }


@pytest.mark.parametrize("name", ["ChatResponse", "ContentResponse"])
def test_answers_have_the_same_fields(name: str) -> None:
    ours, theirs = getattr(mobula_client, name), getattr(handles, name)

    assert list(ours.__dataclass_fields__) == list(theirs.__dataclass_fields__)
    assert [each for each in vars(ours) if isinstance(vars(ours)[each], property)] == [
        each for each in vars(theirs) if isinstance(vars(theirs)[each], property)
    ]


def kinds(base: type[Exception]) -> Iterator[type[Exception]]:
    for each in base.__subclasses__():
        yield each
        yield from kinds(each)


def test_every_problem_of_the_api_has_a_class_of_the_same_name() -> None:
    theirs = {
        each.__name__: (each.status, each.slug, each.__mro__[1].__name__)
        for each in [*vars(of_cluster).values(), *vars(failure_class).values(), UpstreamUnreachable]
        if isinstance(each, type) and issubclass(each, of_cluster.Problem)
    }
    ours: dict[str, Any] = {
        each.__name__: (each.status, each.slug, each.__mro__[1].__name__)  # type: ignore[attr-defined]
        for each in [of_client.Problem, *kinds(of_client.Problem)]
    }

    assert {name: ours.get(name) for name in theirs} == theirs
    assert set(ours) <= set(mobula_client.__all__)


def test_the_distributions_have_one_version() -> None:
    from tests.tools.test_supply_chain import ROOT

    text = (ROOT / "clients" / "python" / "pyproject.toml").read_text()
    assert f'version = "{VERSION}"' in text
