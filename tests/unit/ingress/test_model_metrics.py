"""How often models were called, and over how many links."""

from typing import Any

from deployments.ingress.http.model_metrics import CallReport, render_models

NAMES = ("calls", "attempts", "retries", "hedges", "refused", "fallbacks")


def report(number: int, links: int | None = None) -> dict[str, Any]:
    counts: dict[str, Any] = dict.fromkeys(NAMES, number)
    if links is not None:
        counts["links"] = {"links": links, "opened": 5, "failed": 1, "by_handle": 2}
    return counts


def values(*reports: CallReport) -> dict[str, float]:
    lines = render_models(reports).decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def test_replicas_are_summed_by_model() -> None:
    found = values({"a": report(3, links=2), "b": report(1)}, {"a": report(4, links=1)})
    assert found['mobula_model_calls_total{model="a"}'] == 7
    assert found['mobula_model_retries_total{model="b"}'] == 1
    assert found['mobula_model_links{model="a"}'] == 3
    assert found['mobula_model_links{model="b"}'] == 0
    assert found['mobula_model_links_by_handle_total{model="a"}'] == 4


def test_without_models_there_is_nothing() -> None:
    assert values() == values({}) == {}
