"""`up` with an application that is nothing but `/readyz`: the least that can be started."""

import subprocess
from pathlib import Path

from cluster.ops.cluster_state import ClusterState
from load_tests.benchmarks.common.mobula_command import MobulaCommand

APP = """
from ray import serve
from starlette.responses import PlainTextResponse

@serve.deployment
class Ready:
    async def __call__(self, request):
        return PlainTextResponse("ready")

def build(args):
    return Ready.bind()

def broken(args):
    raise ValueError("the operator's mistake")
"""
CONFIG = """
proxy_location: HeadOnly
applications:
  - {{name: ready, route_prefix: /, import_path: "lifecycle_app:{builder}"}}
"""


class Mobula(MobulaCommand):
    """The launcher, with that application."""

    def config(self, builder: str = "build") -> Path:
        (self.folder / "lifecycle_app.py").write_text(APP)
        path = self.folder / f"{builder}.yaml"
        path.write_text(CONFIG.format(builder=builder))
        return path

    def up(self) -> tuple[subprocess.Popen[str], ClusterState]:
        """A foreground `up` that is ready."""
        process = self.start("up", "--config", str(self.config()))
        assert process.stdout is not None
        seen: list[str] = []
        for line in process.stdout:
            if line.startswith("Ctrl-C"):
                return process, self.state()
            seen.append(line)
        raise AssertionError("`up` ended before it was ready: " + "".join(seen))
