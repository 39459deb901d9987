"""The child that finds where decoding has to begin to see one stretch: seconds in, time stamps out.

Only demuxes. Runs in the sandbox only.
"""

from typing import Any

from deployments.video.analysis.decoding import first_second
from deployments.video.analysis.split_points import keyframe_near
from deployments.video.sandbox.child import run_child
from deployments.video.sandbox.inputs import open_media


def find_seek_points(request: dict[str, Any]) -> dict[str, Any]:
    """`begin`: the keyframe at or before `request["start"]`, None for the recording's first; `end`:
    the time stamp of `request["end"]`."""
    with open_media(request["name"]) as container:
        stream = container.streams[request["stream"]]
        base, origin = stream.time_base, first_second(container)
        first = keyframe_near(container, stream, None)
        begin = keyframe_near(container, stream, int((request["start"] + origin) / base))
        end = int((request["end"] + origin) / base)
    return {"begin": None if begin is None or begin == first else begin, "end": end}


if __name__ == "__main__":
    run_child(find_seek_points)
