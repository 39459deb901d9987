"""The index of runbooks, made from the rules.

Out: Markdown, which docs/runbooks/README.md holds.
"""

from collections.abc import Iterator

from cluster.production.alerts.files import alert_rules
from cluster.production.alerts.rule import AlertRule
from cluster.production.alerts.slo import Objectives

_HEAD = """# Alerts and runbooks

Made by `python -m cluster.production.alerts > docs/runbooks/README.md` from the rules in
`cluster/production/alerts`. A `page` is for now, a `ticket` for today or tomorrow. An alert fires
after its condition has held for the time under "for", and goes on for the time under "cools" after
it has ended, so that one that comes and goes is one notice.

| alert | part | severity | for | cools | runbook |
|---|---|---|---|---|---|
"""


def document() -> str:
    """The whole page."""
    return _HEAD + "".join(f"{row}\n" for row in _rows(alert_rules(Objectives())))


def _rows(rules: tuple[AlertRule, ...]) -> Iterator[str]:
    for rule in rules:
        link = f"[{rule.page.removesuffix('.md')}]({rule.page})"
        cells = (f"`{rule.name}`", rule.part, rule.severity, rule.wait, rule.keep, link)
        yield f"| {' | '.join(cells)} |"
