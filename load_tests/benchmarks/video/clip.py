"""One finished clip to be made: a moving crop, karaoke captions, levelled sound.

In: a recording and a stretch of it. Out: the product's plan for that, and the words for captions.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from deployments.contracts.clips import ClipPlan, CropKeyframe, Framing, OutputPlan
from deployments.contracts.media import MediaSource, Seconds, Transcript, Word
from deployments.video.captions import captions
from deployments.video.render import render

WIDTH, HEIGHT = 720, 1280
WIDE = 608 / 1920  # the share of a 1080p picture that 9:16 shows
WORDS_PER_S = 3
SQUARE = OutputPlan(Framing("1:1", False, 0.5625, 1.0, (CropKeyframe(0, 0.2, 0),)), 720, 720)


@dataclass(frozen=True, slots=True)
class BenchmarkClip:
    """`transcript` is what is spoken in it."""

    source: MediaSource
    plan: ClipPlan
    transcript: Transcript
    folder: Path

    @property
    def output(self) -> OutputPlan:
        return self.plan.outputs[0]

    def uncaptioned(self) -> "BenchmarkClip":
        bare = tuple(replace(output, ass=None) for output in self.plan.outputs)
        return replace(self, plan=replace(self.plan, outputs=bare))

    def of(self, *outputs: OutputPlan) -> "BenchmarkClip":
        return replace(self, plan=replace(self.plan, outputs=outputs))

    def finish(self) -> None:
        """Captions and their files, then the product's render."""
        start, end = self.plan.start, self.plan.end
        words = captions(
            self.transcript, start, end, "karaoke", self.output.width, self.output.height
        )
        (self.folder / "clip.srt").write_text(words.srt, encoding="utf-8")
        (self.folder / "clip.vtt").write_text(words.vtt, encoding="utf-8")
        self.render()

    def render(self) -> None:
        render(self.plan, self.source, self.folder, None, lambda: False)


def prepare_clip(
    source: MediaSource, folder: Path, start: Seconds, length: Seconds
) -> BenchmarkClip:
    """Of `length` seconds from `start` on; its crop moves all the time."""
    end = start + length
    words = tuple(
        Word(start + number / 3, start + (number + 0.9) / 3, f"word{number}", number % 8 == 7)
        for number in range(int(length * WORDS_PER_S))
    )
    transcript = Transcript(words, "sidecar", "en")
    made = captions(transcript, start, end, "karaoke", WIDTH, HEIGHT)
    keys = (CropKeyframe(start, 0.3, 0.0), CropKeyframe(end, 0.4, 0.0))
    framing = Framing("9:16", False, WIDE, 1.0, keys)
    plan = ClipPlan(1, start, end, (OutputPlan(framing, WIDTH, HEIGHT, made.ass),))
    return BenchmarkClip(source, plan, transcript, folder)
