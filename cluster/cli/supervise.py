"""The background supervisor of `mobula up -d`: `python -m cluster.cli.supervise`.

It runs in its own session, logs to `<home>/supervisor.log`, and ends on `down`, when it gives up,
or when its cluster was stopped or replaced by another command.
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cluster.cli.output import Stages, print_plain
from cluster.cli.signals import Interrupted, Interrupts
from cluster.logs.process_log import logged_process
from cluster.ops import cluster_state as states
from cluster.ops import supervision as supervisions
from cluster.ops.cluster_state import ClusterState
from cluster.ops.processes import ClusterId
from cluster.ops.shutdown import sweep
from cluster.ops.start_plan import StartPlan
from cluster.ops.supervised_cluster import EndedElsewhere, SupervisedCluster
from cluster.ops.supervision import Supervision
from cluster.ops.supervisor import Supervisor
from cluster.runtime.installation import working_folder
from cluster.runtime.settings import MARKER, Settings, process_environment
from cluster.storage.files import PRIVATE_UMASK, write_for_owner_only

LOG = "supervisor.log"

log = logging.getLogger("mobula.supervisor")


def start_supervisor(plan: StartPlan) -> None:
    """Starts the supervisor process of a cluster that is ready."""
    arguments = {"config": str(plan.config), "profile": plan.profile, "timeout_s": plan.timeout_s}
    env = process_environment({
        "MOBULA_HOME": str(plan.home),
        "MOBULA_HTTP_PORT": str(plan.settings.http_port),
        MARKER: "",  # not the marker of a cluster in which `up` was started
    })  # fmt: skip
    with (plan.home / LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cluster.cli.supervise", json.dumps(arguments)],
            cwd=working_folder(), env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, umask=PRIVATE_UMASK,
        )  # fmt: skip
    # Written here, so that commands that stop the cluster find it from now on.
    supervisions.save(plan.home, Supervision(ClusterId.of(process.pid), detached=True))


def also_logged(print_line: Callable[[str], None]) -> Callable[[str], None]:
    """What the supervisor tells the operator is a line of its log as well."""

    def tell(line: str) -> None:
        print_line(line)
        log.warning("%s", line)

    return tell


def supervised_run(
    plan: StartPlan, state: ClusterState, interrupts: Interrupts, *, exclusive: bool
) -> SupervisedCluster:
    return SupervisedCluster(
        plan,
        state,
        Stages(),
        before_undo=interrupts.hold,
        after_undo=interrupts.release,
        count_cpus=count_cpus,
        exclusive=exclusive,
    )


def count_cpus(config_document: Mapping[str, Any]) -> int | None:
    """CPUs to declare to Ray, with headroom for a rolling update; None (Ray counts the cores) if
    the configuration is not ours."""
    from pydantic import ValidationError

    from graphs.args import AppArgs
    from graphs.options import declared_cpus

    try:
        [app] = config_document["applications"]
        return declared_cpus(AppArgs.model_validate(app["args"]), os.cpu_count() or 1)
    except (ValidationError, ValueError, KeyError, TypeError):
        return None


def sweep_now(cluster: SupervisedCluster) -> None:
    """Ends every process of the cluster at once."""
    home = Settings().home
    sweep(home, cluster.state, grace_s=0.0)
    supervisions.forget(home)


def run(arguments: Mapping[str, Any]) -> int:
    """The exit code: 1 if it gave up."""
    write_for_owner_only()
    settings = Settings()
    plan = StartPlan(
        settings,
        Path(arguments["config"]),
        arguments["profile"],
        arguments["timeout_s"],
        detached=True,
    )
    state = states.load(settings.home)
    if state is None:
        return 0
    interrupts = Interrupts(lambda: None)
    cluster = supervised_run(plan, state, interrupts, exclusive=False)
    interrupts.force = lambda: sweep_now(cluster)

    try:
        with cluster, logged_process(settings, "supervisor") as process_log:
            supervisor = Supervisor(
                cluster,
                settings.home,
                also_logged(print_plain),
                detached=True,
                on_poll=process_log.levels.reload,
            )
            also_logged(print_plain)(supervisor.run())
            return 1
    except Interrupted:
        return 0
    except EndedElsewhere:
        supervisions.forget(settings.home)
        return 0


if __name__ == "__main__":
    sys.exit(run(json.loads(sys.argv[1])))
