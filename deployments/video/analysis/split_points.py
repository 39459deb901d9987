"""The child that finds where a recording can be split: times wanted in, keyframes' times out.

Only demuxes, a little after each wanted place: a recording of hours is split in a blink. Runs in
the sandbox only.
"""

from typing import Any

import av  # noqa: TID253 - runs in a sandboxed child only

from deployments.video.analysis.decoding import first_second
from deployments.video.sandbox.child import run_child
from deployments.video.sandbox.inputs import open_media

MAX_PACKETS = 5000  # read to find one keyframe


def find_split_points(request: dict[str, Any]) -> dict[str, Any]:
    """`begins`: rising time stamps of keyframes near the seconds `request["at"]`, each in (first
    frame, ...); places that have none within reach are left out."""
    with open_media(request["name"]) as container:
        stream = container.streams[request["stream"]]
        first = keyframe_near(container, stream, None)
        found = {
            keyframe_near(container, stream, int((at + first_second(container)) / stream.time_base))
            for at in request["at"]
        }
    return {"begins": sorted(pts for pts in found if pts is not None and _after(first, pts))}


def _after(first: int | None, pts: int) -> bool:
    return first is not None and pts > first


def keyframe_near(container: Any, stream: Any, near: int | None) -> int | None:
    """The time stamp of the first keyframe from a seek to `near` on; None: the file's first."""
    try:
        if near is not None:
            container.seek(near, stream=stream)
        for number, packet in enumerate(container.demux(stream)):
            if packet.size and packet.is_keyframe:
                return None if packet.pts is None else int(packet.pts)
            if number > MAX_PACKETS:
                return None
    except (av.FFmpegError, ValueError):
        return None
    return None


if __name__ == "__main__":
    run_child(find_split_points)
