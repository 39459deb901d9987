"""A child that does as it is told, for better or worse: `{"do": NAME, ...}` in."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from cluster.runtime.problems import NotFound
from deployments.sandbox.child import run_child
from deployments.sandbox.errors import MediaRefused, MediaTooLarge, NoMedia


def obey(request: dict[str, Any]) -> dict[str, Any]:
    return globals()[request.pop("do")](**request)


def echo(value: Any) -> dict[str, Any]:
    return {"value": value}


def say(lines: list[str]) -> dict[str, Any]:
    for line in lines:
        sys.stdout.write(line + "\n")
    return {}


def refuse(kind: str) -> dict[str, Any]:
    raise {
        "refused": MediaRefused(),
        "large": MediaTooLarge("max_pixels", 100, 200),
        "none": NoMedia(),
        "foreign": NotFound("something else"),
    }[kind]


def open_recording(name: str) -> dict[str, Any]:
    from deployments.sandbox.inputs import open_media

    with open_media(name) as container:
        return {"streams": len(container.streams)}


def decode_nonsense() -> dict[str, Any]:
    import av

    context = av.CodecContext.create("h264", "r")
    context.decode(av.Packet(b"\xff" * 100))
    raise av.error.InvalidDataError(1, "nonsense")


def eat() -> dict[str, Any]:
    return {"size": len(bytearray(8 << 30))}


def fill() -> dict[str, Any]:
    Path("big").write_bytes(bytes(1 << 22))
    return {}


def fault() -> dict[str, Any]:
    raise KeyError("a fault of ours, with /secret/path in it")


def crash() -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def forge(text: str) -> dict[str, Any]:
    """Leaves its own text as the answer."""
    Path(sys.argv[1]).write_text(text)
    sys.stdout.flush()
    os._exit(0)


def point_elsewhere(target: str) -> dict[str, Any]:
    """Leaves a link to a file that it may not read itself."""
    Path(sys.argv[1]).unlink()
    Path(sys.argv[1]).symlink_to(target)
    os._exit(0)


def surroundings() -> dict[str, Any]:
    environment = dict(os.environ)  # noqa: TID251 (what it was given is what is asked)
    return {"environment": environment, "path": sys.path, "folder": str(Path.cwd())}


if __name__ == "__main__":
    run_child(obey)
