"""`mobula deploy`: roll a changed configuration, weights or code onto the running cluster."""

import contextlib
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from cluster.cli.config_problems import find_problems
from cluster.cli.output import Stages, fail, print_plain, print_rich
from cluster.cli.running_cluster import NOT_RUNNING, running_state
from cluster.ops.cluster_state import ClusterState
from cluster.ops.dashboard import DashboardClient, DashboardRefused
from cluster.ops.last_good_config import LastGoodConfig
from cluster.ops.rollout import RollFailed, Rollout, RolloutResult, RolloutTimeout
from cluster.ops.rollout_status import live_applications
from cluster.ops.start_plan import StartFailed, StartPlan
from cluster.ops.startup import token
from cluster.ops.tls import verification
from cluster.runtime.installation import default_config
from cluster.runtime.settings import Settings
from graphs.rollout_diff import BUILDER, diff_applications


def run(
    config: Path | None, restart: Sequence[str], wait: bool, timeout_s: float, rollback: bool
) -> int:
    """The exit code."""
    settings = Settings()
    state = running_state(settings)
    if state is None:
        return fail(NOT_RUNNING)
    try:
        config_document = StartPlan(settings, config or default_config()).read_config()
    except StartFailed as failure:
        return fail(str(failure))
    last_good = LastGoodConfig.load(settings.home)
    problems = [
        *find_problems(config_document, restart),
        *(last_good.conflicts(config_document) if last_good else ()),
    ]
    if last_good is None or problems:
        return fail(
            "\n".join(problems)
            or "the running configuration is unknown; start the cluster with `mobula up -d`"
        )
    with contextlib.closing(DashboardClient(state.dashboard, token(settings.home))) as dashboard:
        deploy = _Deploy(dashboard, state, settings.home, last_good, timeout_s)
        try:
            return deploy.run(config_document, restart, wait, rollback)
        except (DashboardRefused, httpx.HTTPError) as error:
            return fail(f"the dashboard does not answer: {error}")


class _Deploy:
    """One rollout of a new configuration; `last_good` is the rollback target."""

    def __init__(
        self,
        dashboard: DashboardClient,
        state: ClusterState,
        home: Path,
        last_good: LastGoodConfig,
        timeout_s: float,
    ) -> None:
        self._dashboard = dashboard
        self._state = state
        self._home = home
        self._last_good = last_good
        self._timeout_s = timeout_s

    def run(
        self, config_document: Mapping[str, Any], restart: Sequence[str], wait: bool, rollback: bool
    ) -> int:
        new_config = self._last_good.with_applications(
            config_document, self._applications(config_document, restart)
        )
        try:
            result = self._roll(new_config.sent, wait)
        except RolloutTimeout as timeout:
            new_config.save_pending(self._home)
            return fail(f"{timeout}\n`mobula status` shows its progress")
        except RollFailed as failure:
            return self._roll_back(failure, rollback)
        if not wait:
            new_config.save_pending(self._home)
            print_rich("sent; `mobula status` shows the rollout's progress")
            return 0
        new_config.save(self._home)
        return _report_result(result)

    def _roll(self, config: Mapping[str, Any], wait: bool = True) -> RolloutResult:
        with Stages().running() as stages:
            verify = verification(self._state.certificate)
            rolling = Rollout(self._dashboard, self._state.url, stages, verify=verify)
            return rolling.roll(config, self._timeout_s, wait)

    def _applications(
        self, config_document: Mapping[str, Any], restart: Sequence[str]
    ) -> list[Any]:
        """The applications to send; unchanged deployments keep their replicas."""
        live, stamp = live_applications(self._dashboard.details()), secrets.token_hex(4)
        return [
            diff_applications(live[app["name"]], app, restart, stamp)
            if app.get("import_path") == BUILDER and app["name"] in live
            else app
            for app in config_document["applications"]
        ]

    def _roll_back(self, failure: RollFailed, rollback: bool) -> int:
        fail(f"the rollout failed\n{failure}")
        if not rollback:
            return 1
        print_rich("rolling back to the previous configuration")
        try:
            self._roll(self._last_good.sent)
        except RollFailed as rollback_failure:
            return fail(f"the rollback failed as well\n{rollback_failure}")
        print_rich("rolled back: the previous configuration runs")
        return 1


def _report_result(result: RolloutResult) -> int:
    print_rich(f"[bold green]done[/] {result.replaced} replicas replaced in {result.seconds:.1f} s")
    print_plain(
        f"  /readyz  {result.probes - result.unready} of {result.probes} responses were 200"
    )
    if result.unready:
        return fail(
            f"/readyz was not 200 for {result.unready} of {result.probes} probes during the rollout"
        )
    return 0
