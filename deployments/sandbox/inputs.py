"""How recordings are opened: accepted containers, local files, bounded pictures.

Text formats that reference other files (ffconcat, HLS, DASH, SVG) are not accepted, no protocol but
`file` is, and references of MOV to other files stay disabled. Input is a file in the working folder
whose name we chose; a name from outside is never used.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployments.sandbox.errors import MediaRefused, MediaTooLarge

FORMATS = "mov,matroska,webm,avi,flv,live_flv,mpegts,mpeg,ogg,asf,wav,w64,mp3,aac,flac,aiff,amr"
MAX_PIXELS = 8192 * 4320
MAX_STREAMS = 32
INPUT_OPTIONS: Mapping[str, str] = {
    "protocol_whitelist": "file",
    "format_whitelist": FORMATS,
    "max_pixels": str(MAX_PIXELS),
    "max_streams": str(MAX_STREAMS + 1),  # some demuxers silently stop there
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def input_name(name: str) -> str:
    """The URL of a file in the working folder. Raises ValueError for a name not chosen by us."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not the name of an input: {name[:100]!r}")
    return f"file:{name}"


def ffmpeg_input(name: str) -> list[str]:
    """The part of an ffmpeg command that opens `name`; `-ss` and the like precede it."""
    options = [word for key, value in INPUT_OPTIONS.items() for word in (f"-{key}", value)]
    return [*options, "-i", input_name(name)]


def open_media(name: str, threads: int = 1) -> Any:
    """PyAV's input container of a file in the working folder, for use in a child only.

    Its decoders refuse pictures over MAX_PIXELS, also if a size changes midway, and use `threads`
    threads (0: as many as there are cores). Raises MediaRefused, MediaTooLarge (max_streams), and
    OSError if the file cannot be read at all.
    """
    import av

    source = input_name(name)
    with Path(name).open("rb"):
        pass
    try:
        container = av.open(source, options=dict(INPUT_OPTIONS), metadata_errors="replace")
    except MemoryError as error:  # what demuxers say to one stream too many
        raise MediaTooLarge("max_streams", MAX_STREAMS) from error
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise MediaRefused() from error
    if len(container.streams) > MAX_STREAMS:
        container.close()
        raise MediaTooLarge("max_streams", MAX_STREAMS)
    for stream in container.streams:
        context = stream.codec_context
        if context is not None and stream.type in ("video", "audio"):
            context.options = {"max_pixels": str(MAX_PIXELS)}
            context.thread_count = threads
    return container
