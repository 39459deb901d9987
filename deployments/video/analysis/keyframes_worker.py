"""Sandboxed child: finds keyframes at which decoding can begin. Seconds in, time stamps out.

It only demuxes, a little after each wanted time, so a recording of hours takes a moment.
"""

from typing import Any

import av  # noqa: TID253 - runs in a sandboxed child only

from deployments.decoding.frames import first_second
from deployments.sandbox.child import run_child
from deployments.sandbox.inputs import open_media

MAX_PACKETS = 5000  # read to find one keyframe


def find_keyframes(request: dict[str, Any]) -> dict[str, Any]:
    """`keyframes`: for each second of `request["times"]`, the time stamp of the keyframe that a
    seek to it finds; None: no keyframe, or the recording's first one. `time_stamps`: the seconds
    themselves in the units of the stream."""
    with open_media(request["name"]) as container:
        stream = container.streams[request["stream"]]
        origin = first_second(container)
        time_stamps = [int((time + origin) / stream.time_base) for time in request["times"]]
        first = _keyframe_after_seek(container, stream, None)
        keyframes = [_keyframe_after_seek(container, stream, stamp) for stamp in time_stamps]
    later = [None if pts is None or pts == first else pts for pts in keyframes]
    return {"first": first, "keyframes": later, "time_stamps": time_stamps}


def _keyframe_after_seek(container: Any, stream: Any, time_stamp: int | None) -> int | None:
    """The time stamp of the first keyframe after a seek to `time_stamp`; None: the file's first."""
    try:
        if time_stamp is not None:
            container.seek(time_stamp, stream=stream)
        for number, packet in enumerate(container.demux(stream)):
            if packet.size and packet.is_keyframe:
                return None if packet.pts is None else int(packet.pts)
            if number > MAX_PACKETS:
                return None
    except (av.FFmpegError, ValueError):
        return None
    return None


if __name__ == "__main__":
    run_child(find_keyframes)
