"""Alert rules: each fires for its fault, cools down, ends, and leads to a page that helps.

promtool evaluates the rules as Prometheus does, over series that alert_scenarios.py writes.
"""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.cli.app import app
from cluster.production.alerts.documentation import document
from cluster.production.alerts.files import alert_rules, groups
from cluster.production.alerts.rule import (
    PREFIX,
    RUNBOOKS,
    AlertRule,
    as_mapping,
    scaled,
    scaled_windows,
    seconds,
)
from cluster.production.alerts.slo import Objectives
from tests.servers.process import program
from tests.tools.production.alert_course import Scenario
from tests.tools.production.alert_scenarios import HARMLESS, SCENARIOS
from tests.tools.production.dashboard_files import RECORDED
from tests.tools.production.promql_names import groupings, labels_of, metric_of, selectors

ROOT = Path(__file__).parents[3]
RULES = {rule.name: rule for rule in alert_rules(Objectives())}
EVERY = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
OF_ALERTS = {"severity", "part"}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def rule_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "mobula.yml"
    path.write_text(yaml.safe_dump({"groups": groups(Objectives())}))
    return path


def test_every_rule_is_what_prometheus_accepts(rule_file: Path) -> None:
    checked = promtool("check", "rules", str(rule_file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_rule_has_a_scenario() -> None:
    assert {each.rule for each in SCENARIOS} == set(RULES)


def firing(scenario: Scenario, at_s: int) -> dict[str, Any]:
    """Prometheus' own series of alerts, whose values and texts do not matter."""
    rule = RULES[scenario.rule]
    own = {"severity": str(rule.severity), "part": str(rule.part)}
    labels = {"alertname": rule.name, "alertstate": "firing", **own, **all_labels(scenario)}
    pairs = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return {
        "expr": f'ALERTS{{alertname="{rule.name}",alertstate="firing"}}',
        "eval_time": f"{at_s}s",
        "exp_samples": [{"labels": f"ALERTS{{{pairs}}}", "value": 1}],
    }


def all_labels(scenario: Scenario) -> dict[str, str]:
    """An alert that nothing is scraped is of no installation."""
    job = {} if scenario.rule == "MobulaUnreachable" else {"job": "m"}
    return {**job, **scenario.labels}


def silent(scenario: Scenario, at_s: int) -> dict[str, Any]:
    return {**firing(scenario, at_s), "exp_samples": []}


def told(scenario: Scenario, at_s: int) -> dict[str, Any]:
    """The alert itself, with what it tells a person."""
    rule = RULES[scenario.rule]
    annotations = {
        "summary": scenario.summary or rule.summary,
        "description": scenario.description,
        "runbook_url": f"docs/runbooks/{rule.page}",
    }
    labels = {"severity": str(rule.severity), "part": str(rule.part), **all_labels(scenario)}
    alert = {"exp_labels": labels, "exp_annotations": annotations}
    return {"eval_time": f"{at_s}s", "alertname": rule.name, "exp_alerts": [alert]}


def alone(rule: AlertRule, folder: Path) -> Path:
    """A file with one rule and what is recorded for it: others would only take time."""
    recordings, alerts = (group["rules"] for group in groups(Objectives()))
    [mine] = [each for each in alerts if each["alert"] == rule.name]
    needed = [each for each in recordings if each["record"] in rule.expression]
    path = folder / "rules.yml"
    in_order = [{"name": "alone", "rules": [*needed, mine]}]  # two groups would race
    path.write_text(yaml.safe_dump({"groups": in_order}))
    return path


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.rule)
def test_a_rule_fires_for_its_fault_cools_down_and_ends(scenario: Scenario, tmp_path: Path) -> None:
    rule = RULES[scenario.rule]
    wait_s = seconds(rule.wait)
    early = [silent(scenario, scenario.begins_s + wait_s - 2 * scenario.step_s)] if wait_s else []
    test = {
        "interval": f"{scenario.step_s}s",
        "input_series": scenario.input_series(rule),
        "promql_expr_test": [
            silent(scenario, scenario.begins_s - scenario.step_s),
            *early,
            firing(scenario, scenario.fires_s(rule)),
            firing(scenario, scenario.cools_s(rule)),
            silent(scenario, scenario.ended_s(rule)),
        ],
        "alert_rule_test": [told(scenario, scenario.fires_s(rule))],
    }
    assert_passes(rule, test, tmp_path)


@pytest.mark.parametrize("scenario", HARMLESS, ids=lambda each: each.rule)
def test_a_rule_is_silent_for_what_is_no_fault(scenario: Scenario, tmp_path: Path) -> None:
    rule = RULES[scenario.rule]
    test = {
        "interval": f"{scenario.step_s}s",
        "input_series": scenario.input_series(rule),
        "promql_expr_test": [
            silent(scenario, at_s) for at_s in (scenario.fires_s(rule), scenario.cools_s(rule))
        ],
    }
    assert_passes(rule, test, tmp_path)


def assert_passes(rule: AlertRule, test: dict[str, Any], folder: Path) -> None:
    """`test` of the rule alone, in promtool."""
    path = folder / "test.yml"
    content = {
        "rule_files": [str(alone(rule, folder))],
        "evaluation_interval": test["interval"],
        "tests": [test],
    }
    path.write_text(yaml.safe_dump(content))

    found = promtool("test", "rules", str(path))

    assert found.returncode == 0, found.stdout + found.stderr


@EVERY
def test_every_series_that_a_rule_reads_is_declared_with_its_labels(rule: AlertRule) -> None:
    for name, matched in selectors(rule.expression):
        if name in RECORDED:
            continue
        metric = metric_of(name)
        assert metric is not None, name
        assert matched <= labels_of(name), name
    assert groupings(rule.expression) <= labels_of(rule.expression)


@EVERY
def test_rules_of_several_installations_are_distinguished(rule: AlertRule) -> None:
    """One Prometheus may scrape several; only where nothing is scraped there is none to name."""
    if rule.name == "MobulaUnreachable":
        return
    for by in re.findall(r"\b(?:sum|min|max|count) by \(([^)]*)\)", rule.expression):
        assert "job" in by.split(", ")
    for aggregation in re.findall(r"\b(?:sum|min|max|count)\(", rule.expression):
        pytest.fail(f"{aggregation} drops the label 'job'")


@EVERY
def test_what_a_rule_tells_names_labels_that_its_alerts_have(rule: AlertRule) -> None:
    scenario = next(each for each in SCENARIOS if each.rule == rule.name)
    named = set(re.findall(r"\$labels\.(\w+)", rule.summary + rule.description))
    possible = {*all_labels(scenario), *OF_ALERTS}
    optional = {"node", "disk", "dependency"} if rule.name == "MobulaDiskFull" else set()
    assert named <= possible | optional
    assert not rule.summary.endswith(".")
    assert rule.description.endswith(".")


@EVERY
def test_a_rule_waits_and_cools_down(rule: AlertRule) -> None:
    mapping = as_mapping(rule)
    assert seconds(mapping["keep_firing_for"]) >= 300
    assert seconds(mapping["for"]) >= 60 or rule.wait == "0s"  # an event, not a state
    assert rule.name.startswith(PREFIX)


def test_rules_can_be_sped_up_for_a_trial() -> None:
    assert scaled("5m", 1) == "5m"
    assert scaled("5m", 0.1) == "30s"
    assert scaled("0s", 0.1) == "1s"
    assert scaled_windows("rate(a[5m]) > b offset 1h", 0.01) == "rate(a[30s]) > b offset 36s"
    assert scaled_windows("job:a:rate5m > 1", 0.01) == "job:a:rate5m > 1"
    rules = groups(Objectives(), scale=0.1)[1]["rules"]
    assert {seconds(each["for"]) for each in rules} <= set(range(1, 361))


SECTIONS = (
    "What it means",
    "What callers notice",
    "How to confirm",
    "How to mend",
    "When to escalate",
)


@EVERY
def test_a_rule_leads_to_a_page_that_says_what_to_do(rule: AlertRule) -> None:
    text = (ROOT / RUNBOOKS / rule.page).read_text()
    assert tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) == SECTIONS


def test_every_page_belongs_to_a_rule_and_the_index_is_current() -> None:
    pages = {path.name for path in (ROOT / RUNBOOKS).glob("*.md")}
    assert pages == {"README.md", *(rule.page for rule in RULES.values())}
    index = (ROOT / RUNBOOKS / "README.md").read_text()
    command = "python -m cluster.production.alerts > docs/runbooks/README.md"
    assert index == document(), command


def test_commands_of_the_pages_exist() -> None:
    names = {
        info.name or getattr(info.callback, "__name__", "") for info in app.registered_commands
    } | {group.name for group in app.registered_groups}
    for path in (ROOT / RUNBOOKS).glob("*.md"):
        for word in re.findall(r"\./mobula ([a-z-]+)", path.read_text()):
            assert word in names, f"{path.name}: {word}"
