"""The code of sandboxed children, run in this process: an interpreter takes longer to start than a
small recording to probe.

For recordings that the tests made themselves. The tests of probe, analysis, jobs and hostile input
start the children.
"""

from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

from deployments.contracts.media import MediaInfo
from deployments.sandbox.child import answer_or_problem
from deployments.sandbox.errors import MediaDamaged, from_wire
from deployments.video.analysis import tasks
from deployments.video.probe import probe as probe_module

FUNCTIONS = {
    "deployments.video.probe.child": "probe_file",
    "deployments.video.analysis.keyframes_worker": "find_keyframes",
    "deployments.video.analysis.video_worker": "analyze_frames",
    "deployments.video.analysis.audio_worker": "analyze_audio",
}


@contextmanager
def children_in_process() -> Iterator[None]:
    """Probes and analyses of this thread start no process until the block ends."""
    with (
        mock.patch.object(probe_module, "python_child", _call),
        mock.patch.object(tasks, "python_child", _call),
    ):
        yield


def probe_in_process(path: Path) -> MediaInfo:
    """As `probe`."""
    with children_in_process():
        return probe_module.probe(path, path.parent)


def _call(module: str, request: Mapping[str, Any], folder: Path, **_options: Any) -> dict[str, Any]:
    function = getattr(import_module(module), FUNCTIONS[module])
    with chdir(folder):
        result = answer_or_problem(function, dict(request))
    if "answer" in result:
        return result["answer"]
    if result["problem"]["kind"] == "damaged":
        raise MediaDamaged
    raise from_wire(result["problem"])
