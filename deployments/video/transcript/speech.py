"""Speech recognition: a port, and faster-whisper behind it, in a sandboxed child.

The model is a folder on this machine (CTranslate2 format), or the name of a downloaded one: nothing
is downloaded while a job waits. Requires the extra `speech`.
"""

import math
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from deployments.contracts.media import AudioTrack, Capability, MediaSource, Transcript
from deployments.sandbox import Cancel, ChildLimits, OnLine, python_child
from deployments.sandbox.errors import MediaDamaged
from deployments.sandbox.folders import lend_source, read_output
from deployments.video.probe.tracks import sound_of
from deployments.video.transcript.parsing import MAX_BYTES
from deployments.video.transcript.reading import read_transcript

_CHILD = "deployments.video.transcript.asr_worker"
INSTALL_HINT = "install the extra 'speech' and name a model"


class SpeechToText(Protocol):
    def transcribe(
        self,
        source: MediaSource,
        folder: Path,
        cancel: Cancel | None = None,
        *,
        language: str | None = None,
        on_line: OnLine | None = None,
    ) -> Transcript:
        """The words of the source's sound. Blocks. `on_line` gets the progress."""
        ...


class Whisper:
    """`model` is a folder or a known name; `threads` and `device` are the engine's."""

    def __init__(self, model: str, threads: int = 2, device: str = "cpu") -> None:
        self._model, self._threads, self._device = model, threads, device

    def transcribe(
        self,
        source: MediaSource,
        folder: Path,
        cancel: Cancel | None = None,
        *,
        language: str | None = None,
        on_line: OnLine | None = None,
    ) -> Transcript:
        track = sound_of(source.info)
        if track is None:
            return Transcript((), "none", language, "the recording has no sound")
        try:
            model = model_folder(self._model)
        except (FileNotFoundError, ImportError) as error:
            return Transcript((), "none", language, str(error))
        with lend_source(source.path, folder, ".json") as (link, out):
            python_child(
                _CHILD,
                {
                    **self._request(source, track, model, language),
                    "name": link.name,
                    "out": out.name,
                },
                folder,
                limits=self._limits(source.info.duration),
                threads=self._threads,
                cancel=cancel,
                on_line=on_line,
                readable=(source.path.resolve(), *_readable_paths(model)),
            )
            data = read_output(out, MAX_BYTES + 1)
        if data is None:
            raise MediaDamaged("Nothing could be heard in the recording.")
        return read_transcript(
            data[:MAX_BYTES], "json", folder, cancel, origin="speech", language=language
        )

    def _request(
        self, source: MediaSource, track: AudioTrack, model: Path, language: str | None
    ) -> dict[str, Any]:
        return {
            "stream": track.index,
            "model": str(model),
            "language": language,
            "duration": source.info.duration,
            "threads": self._threads,
            "device": self._device,
        }

    def _limits(self, duration: float) -> ChildLimits:
        cpu_s = math.ceil(300 + 20 * duration)
        memory = None if self._device != "cpu" else 12 << 30
        return ChildLimits(memory_bytes=memory, cpu_s=cpu_s, wall_s=float(cpu_s), files=256)


def model_folder(model: str) -> Path:
    """The folder of the model on this machine. Raises FileNotFoundError, ImportError."""
    path = Path(model).expanduser()
    if (path / "model.bin").is_file():
        return path.resolve()
    download: Any = import_module("faster_whisper").download_model
    try:
        return Path(download(model, local_files_only=True)).resolve()
    except Exception as error:
        raise FileNotFoundError(f"no speech model '{model}' on this machine") from error


def _readable_paths(model: Path) -> tuple[Path, ...]:
    """A downloaded model consists of links to files beside it."""
    return (model, model.parents[1]) if model.parent.name == "snapshots" else (model,)


def speech_ability(model: str | None) -> Capability:
    """Whether speech is recognised, for /capabilities, and if not, why."""
    if not find_spec("faster_whisper"):
        return Capability(False, f"faster-whisper is not installed; {INSTALL_HINT}.")
    if not model:
        return Capability(False, f"no speech model is set up; {INSTALL_HINT}.")
    try:
        model_folder(model)
    except (FileNotFoundError, ImportError) as error:
        return Capability(False, f"{error}.")
    return Capability(True, "Speech is turned into words by faster-whisper.", {"model": model})
