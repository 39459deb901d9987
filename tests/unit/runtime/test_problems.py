"""The error tree: it survives processes and leaks nothing."""

import pickle

import pytest
from ray.exceptions import RayTaskError  # noqa: TID251 - its doubles are what is tested

from cluster.resilience.ray_errors import from_ray
from cluster.runtime.problems import (
    Malformed,
    ModelFailed,
    Overloaded,
    Problem,
    PromptTooLong,
    UnknownModel,
    to_problem,
)

PACKAGE = "cluster.runtime.problems"


def tree(cls: type[Problem]) -> list[type[Problem]]:
    return [cls, *(leaf for child in cls.__subclasses__() for leaf in tree(child))]


EXAMPLES = {
    "PromptTooLong": ("nano", 5, 3),
    "ImageRefused": ("url", "is damaged"),
    "UnsupportedParameter": ("tools", "not here."),
    "UnknownModel": ("x", ["nano"]),
    "PayloadTooLarge": (10,),
    "UnsupportedMedia": ("text/plain", ["application/json"]),
    "UnsupportedEncoding": ("br", ["gzip"]),
    "RateLimited": ("slow down", 2.5, "requests"),
    "QuotaExceeded": ("spent", 60.0, "tokens-day"),
    "NotInstalled": ("No entities.", "pip install"),
    "GuardrailRefused": ("house", "pii", "input"),
    "InsufficientQuota": ("spent", None, "key:spend-total"),
    "Malformed": ([{"pointer": "/a", "detail": "wrong", "type": "t"}],),
}


@pytest.mark.parametrize("cls", [cls for cls in tree(Problem) if f"{PACKAGE}." in cls.__module__])
def test_every_problem_survives_pickling_with_its_type_and_fields(cls: type[Problem]) -> None:
    problem = cls(*EXAMPLES.get(cls.__name__, ("words",)))

    copy = pickle.loads(pickle.dumps(problem))

    assert type(copy) is cls
    assert copy.detail == problem.detail
    assert copy.extensions == problem.extensions
    assert copy.headers == problem.headers


def test_a_pickled_problem_names_the_package_which_every_version_has() -> None:
    """While a cluster is rolled, replicas of the last version read it, which know no modules in
    it."""
    written = pickle.dumps(UnknownModel("x", ["nano"]))

    assert PACKAGE.encode() in written
    assert f"{PACKAGE}.".encode() not in written


def test_slugs_are_unique() -> None:
    product = [
        cls for cls in tree(Problem) if cls.__module__.startswith(("cluster.", "deployments."))
    ]
    slugs = [cls.slug for cls in product]
    assert len(slugs) == len(set(slugs))


def test_ray_s_double_of_a_problem_becomes_the_plain_problem_again() -> None:
    """Ray raises a class that is both RayTaskError and the problem's own."""
    cause = PromptTooLong("nano", 5, 3)
    double = RayTaskError("generate", "a long remote traceback", cause).as_instanceof_cause()
    assert isinstance(double, PromptTooLong)

    plain = from_ray(double, "nano")

    assert type(plain) is PromptTooLong
    assert plain.detail == cause.detail
    assert plain.extensions == cause.extensions


def test_a_foreign_error_in_a_replica_becomes_model_failed_without_its_text() -> None:
    double = RayTaskError("f", "tb", ValueError("password=x")).as_instanceof_cause()

    plain = from_ray(double, "nano")

    assert type(plain) is ModelFailed
    assert "password" not in plain.detail


def test_an_unknown_error_is_described_by_a_constant() -> None:
    assert "secret" not in to_problem(RuntimeError("secret")).detail


def test_retry_after_is_whole_seconds_and_at_least_one() -> None:
    assert Overloaded("busy", retry_after_s=0.2).headers == {"Retry-After": "1"}
    assert Overloaded("busy", retry_after_s=2.1).headers == {"Retry-After": "3"}


def test_malformed_names_the_first_fault_and_counts_the_rest() -> None:
    faults = [{"pointer": f"/{i}", "detail": "bad", "type": "t"} for i in range(3)]
    assert Malformed(faults).detail == "/0: bad (2 more)"
