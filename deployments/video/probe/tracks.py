"""Selects the picture, sound and subtitles of a recording: one rule for all stages.

In: the tracks of a file, with their flags, languages, and whether they are silent. Out: one of
each. No other module selects a stream. The criteria, in order:

    picture    not a cover or still; marked as default; the most pixels
    sound      chosen by the caller; not silent; no commentary; the wanted language; no dub;
               marked as default
    subtitles  text, never forced ones or commentary; the wanted language, else that of the sound;
               marked as default; not those for the hard of hearing

Among equals the first in the file is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.media import AudioTrack, MediaInfo, SubtitleTrack


@dataclass(frozen=True, slots=True)
class VideoStream:
    """One video stream of a file. `still`: a cover, a thumbnail or another single picture."""

    index: int
    pixels: int
    default: bool
    still: bool


class NoSuchTrack(InvalidRequest):
    """`number` is not that of an audio track; `tracks` is how many there are."""

    slug, title = "unknown-audio-track", "No such audio track"

    def __init__(self, number: int, tracks: int) -> None:
        available = {0: "no audio track", 1: "one audio track"}.get(
            tracks, f"{tracks} audio tracks"
        )
        super().__init__(
            f"audio_track: is {number}; the recording has {available}.",
            param="audio_track",
            limit=tracks,
        )


def best_picture(streams: Sequence[VideoStream]) -> int | None:
    """The index of the stream of the recording's picture; None: it has none."""
    moving = [stream for stream in streams if not stream.still]
    best = min(
        moving,
        key=lambda stream: (not stream.default, -stream.pixels, stream.index),
        default=None,
    )
    return None if best is None else best.index


def sound_of(info: MediaInfo) -> AudioTrack | None:
    """The audio track in use: the chosen one, else by the rule; None: there is none."""
    chosen = next((track for track in info.audio if track.index == info.sound), None)
    return chosen or best_sound(info.audio)


def best_sound(tracks: Sequence[AudioTrack], language: str | None = None) -> AudioTrack | None:
    """The track of the rule if `language` (two or three letters) is wanted."""
    return min(tracks, key=lambda track: _sound_rank(track, language), default=None)


def with_sound(info: MediaInfo, number: int | None, language: str | None) -> MediaInfo:
    """`info` with its audio track chosen: the one of that number, from 1, else by the rule.

    Raises NoSuchTrack.
    """
    if number is not None and not 1 <= number <= len(info.audio):
        raise NoSuchTrack(number, len(info.audio))
    chosen = best_sound(info.audio, language) if number is None else info.audio[number - 1]
    return info if chosen is None else replace(info, sound=chosen.index)


def number_of(info: MediaInfo, track: AudioTrack) -> int:
    """The number of the audio track in the file, from 1."""
    return [each.index for each in info.audio].index(track.index) + 1


def best_subtitles(info: MediaInfo, language: str | None = None) -> SubtitleTrack | None:
    """The subtitles to take words from, preferably of `language`; None: there are none that contain
    all words."""
    sound = sound_of(info)
    wanted_language = language or (sound.language if sound else None)
    complete = [
        track for track in info.subtitles if track.text and not (track.forced or track.comment)
    ]
    return min(
        complete,
        key=lambda track: (
            not same_language(track.language, wanted_language),
            not track.default,
            track.impaired,
            track.index,
        ),
        default=None,
    )


def same_language(first: str | None, second: str | None) -> bool:
    """Whether two tags name one language, however it is written: en, eng and en-GB; de, deu and
    ger. False if either is unknown."""
    return bool(first and second) and _primary(first) == _primary(second)


def _sound_rank(track: AudioTrack, language: str | None) -> tuple[int | bool, ...]:
    silence_rank = {False: 0, None: 1, True: 2}[track.silent]
    is_other_language = bool(language) and not same_language(track.language, language)
    return (
        silence_rank,
        track.comment,
        is_other_language,
        track.dub,
        not track.default,
        track.index,
    )


def _primary(tag: str | None) -> str:
    """The language of a tag by its shortest code (ISO 639)."""
    from langcodes import Language  # loads tables: a tenth of a second
    from langcodes.tag_parser import LanguageTagError

    try:
        return Language.get(tag or "").language or ""
    except LanguageTagError:
        return (tag or "").lower()
