"""Probes and wholly decodes files one after another: `{"names": [...], "limits": {...}}` in.

Prints a line when it begins a file and one when it is done, so that a crash is known to be of the
file it was at: `begin NAME`, `end NAME KIND KIB`. KIND is `decoded`, or the kind of the problem.
"""

import sys
from pathlib import Path
from typing import Any

import av

from deployments.sandbox.child import answer_or_problem, run_child
from deployments.sandbox.inputs import open_media
from deployments.video.probe.child import probe_file


def decode_all(request: dict[str, Any]) -> dict[str, Any]:
    kinds: dict[str, str] = {}
    for name in request["names"]:
        sys.stdout.write(f"begin {name}\n")
        result = answer_or_problem(probe_and_decode, {"name": name, "limits": request["limits"]})
        kinds[name] = result["problem"]["kind"] if "problem" in result else "decoded"
        sys.stdout.write(f"end {name} {kinds[name]} {peak_kib()}\n")
    return kinds


def peak_kib() -> int:
    """The most memory that this process ever had (rusage would count its parent's too)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def probe_and_decode(request: dict[str, Any]) -> dict[str, Any]:
    return {**probe_file(request), "frames": decode(request["name"])}


def decode(name: str) -> int:
    """Every frame of every stream; a damaged packet is left out, as analysis does."""
    frames = 0
    with open_media(name) as container:
        both = (*container.streams.video, *container.streams.audio)
        streams = [stream for stream in both if stream.codec_context is not None]
        packets = container.demux(*streams) if streams else iter(())
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return frames
                frames += len(packet.decode())
            except MemoryError:
                raise
            except av.FFmpegError:
                continue


if __name__ == "__main__":
    run_child(decode_all)
