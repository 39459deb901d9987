"""`mobula deploy`: roll a changed configuration, weights or code onto the running cluster."""

import contextlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from pydantic import ValidationError

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
from graphs.args import AppArgs
from graphs.rollout_diff import ALL, BUILDER, diff_applications, restartable


def run(
    config: Path | None, restart: Sequence[str], wait: bool, timeout_s: float, rollback: bool
) -> int:
    """The exit code."""
    settings = Settings()
    state = running_state(settings)
    if state is None:
        return fail(NOT_RUNNING)
    try:
        asked = StartPlan(settings, config or default_config()).asked()
    except StartFailed as failure:
        return fail(str(failure))
    last = LastGoodConfig.load(settings.home)
    found = [*faults(asked, restart), *(last.conflicts(asked) if last else ())]
    if last is None or found:
        return fail("\n".join(found) or "what runs is not known; start it with `mobula up -d`")
    with contextlib.closing(DashboardClient(state.dashboard, token(settings.home))) as dashboard:
        deploy = _Deploy(dashboard, state, settings.home, last, timeout_s)
        try:
            return deploy.run(asked, restart, wait, rollback)
        except (DashboardRefused, httpx.HTTPError) as error:
            return fail(f"the dashboard does not answer: {error}")


class _Deploy:
    """`last` is what is gone back to."""

    def __init__(
        self,
        dashboard: DashboardClient,
        state: ClusterState,
        home: Path,
        last: LastGoodConfig,
        timeout_s: float,
    ) -> None:
        self._dashboard = dashboard
        self._state = state
        self._home = home
        self._last = last
        self._timeout_s = timeout_s

    def run(
        self, asked: Mapping[str, Any], restart: Sequence[str], wait: bool, rollback: bool
    ) -> int:
        new = self._last.with_applications(asked, self._applications(asked, restart))
        try:
            done = self._roll(new.sent, wait)
        except RolloutTimeout as late:
            new.keep_pending(self._home)
            return fail(f"{late}\n`mobula status` shows how it stands")
        except RollFailed as failure:
            return self._failed(failure, rollback)
        if not wait:
            new.keep_pending(self._home)
            print_rich("sent; `mobula status` shows how it stands")
            return 0
        new.keep(self._home)
        return _told(done)

    def _roll(self, config: Mapping[str, Any], wait: bool = True) -> RolloutResult:
        with Stages().running() as stages:
            verify = verification(self._state.certificate)
            rolling = Rollout(self._dashboard, self._state.url, stages, verify=verify)
            return rolling.roll(config, self._timeout_s, wait)

    def _applications(self, asked: Mapping[str, Any], restart: Sequence[str]) -> list[Any]:
        """Each as it has to be sent, so that nothing restarts that need not."""
        live, stamp = live_applications(self._dashboard.details()), secrets.token_hex(4)
        return [
            diff_applications(live[app["name"]], app, restart, stamp)
            if app.get("import_path") == BUILDER and app["name"] in live
            else app
            for app in asked["applications"]
        ]

    def _failed(self, failure: RollFailed, rollback: bool) -> int:
        fail(f"deploying failed\n{failure}")
        if not rollback:
            return 1
        print_rich("going back to what ran before")
        try:
            self._roll(self._last.sent)
        except RollFailed as again:
            return fail(f"going back failed, too\n{again}")
        print_rich("what ran before runs again")
        return 1


def _told(done: RolloutResult) -> int:
    print_rich(f"[bold green]done[/] {done.replaced} replicas replaced in {done.seconds:.1f} s")
    print_plain(f"  /readyz  {done.probes - done.unready} of {done.probes} answers were 200")
    if done.unready:
        return fail(f"/readyz was not 200 for {done.unready} of {done.probes} times on the way")
    return 0


def faults(asked: Mapping[str, Any], restart: Iterable[str]) -> list[str]:
    """A sentence for each thing that is wrong with the file or with `--restart`."""
    apps = asked["applications"]
    if not isinstance(apps, list) or not all(isinstance(app, dict) for app in apps):
        return ["applications: is not a list of applications"]
    nameless = [number for number, app in enumerate(apps) if not app.get("name")]
    if nameless:
        return [f"applications.{number}.name: is missing" for number in nameless]
    ours = [app for app in apps if app.get("import_path") == BUILDER]
    found = [fault for app in ours for fault in _args_faults(app)]
    return found or _restart_faults(ours, restart)


def _args_faults(app: Mapping[str, Any]) -> list[str]:
    try:
        AppArgs.model_validate(app.get("args") or {})
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, ('args', *each['loc'])))}: "
            + each["msg"].removeprefix("Value error, ")
            for each in _innermost(error)
        ]
    return []


def _innermost(error: ValidationError) -> list[Any]:
    """Without what follows from a fault further inside, such as a list that came out empty."""
    found = error.errors()
    places = [each["loc"] for each in found]
    return [
        each
        for each in found
        if not any(
            len(p) > len(each["loc"]) and p[: len(each["loc"])] == each["loc"] for p in places
        )
    ]


def _restart_faults(ours: Sequence[Mapping[str, Any]], restart: Iterable[str]) -> list[str]:
    known = {ALL}.union(*(restartable(AppArgs.model_validate(app["args"])) for app in ours))
    return [
        f"--restart: there is no '{name}'; there are {', '.join(sorted(known))}"
        for name in restart
        if name not in known
    ]
