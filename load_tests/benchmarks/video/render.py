"""S5, S6, S8 to S10: what a finished clip costs beside plain ffmpeg, a chain of encodes, MoviePy.

In: a 1080p recording. Out: rows. All encode H.264 veryfast crf 21 at the same size. A finished clip
has a moving crop, karaoke captions, levelled sound, an index in front, a thumbnail and subtitles;
what it is beside has none of these unless said.
"""

import math
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from deployments.video.analysis import analyse_chunk, chunk_of_span
from deployments.video.analysis_cache import MARGIN_S
from deployments.video.quality import inspect
from load_tests.benchmarks.video.clip import HEIGHT, SQUARE, WIDTH, BenchmarkClip, prepare_clip
from load_tests.benchmarks.video.context import VideoBenchmark, ffmpeg
from load_tests.benchmarks.video.cost import Work, build_rows, measure_in_turn, select_least
from load_tests.benchmarks.video.goals import ContenderPair, GoalRow, select_contenders

START = 1.4  # between keyframes
ENCODE = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "21", "-pix_fmt", "yuv420p", "-g", "60")
SOUND = ("-c:a", "aac", "-b:a", "160k")
PLAIN = "ffmpeg -ss -t -i, crop, scale, same encoder"
CHAIN = "ffmpeg three times: cut, reframe, caption"
PAIRS = (
    ContenderPair("S5", "finished clip", "finished", "plain", PLAIN, "wall", 1.12),
    ContenderPair("S5", "... tracked first", "tracked", "plain", PLAIN),
    ContenderPair("S5", "... and inspected", "inspected", "plain", PLAIN),
    ContenderPair(
        "S6", "finished clip", "finished", "moviepy", "MoviePy: cut, crop, scale", "cpu", 0.60
    ),
    ContenderPair("S6", "finished clip", "finished", "chain", CHAIN, "cpu", 0.45),
    ContenderPair("S8", "two aspects, one graph", "both", "two runs", "two runs", "cpu", 0.80),
    ContenderPair("S9", "with karaoke", "finished", "uncaptioned", "without `ass`", "cpu", 1.03),
)
SMART_CUT = GoalRow(
    "S10", "smart cut", "encode, same preset", math.nan, at_most=0.15, why="not built"
)


def _run_both(first: Work, second: Work) -> None:
    first()
    second()


@dataclass(frozen=True)
class RenderContenders:
    """What takes turns; `benchmark` knows where the peers are."""

    clip: BenchmarkClip
    benchmark: VideoBenchmark

    def all(self) -> Mapping[str, Work]:
        square = self.clip.of(SQUARE)
        both = self.clip.of(self.clip.output, SQUARE)
        return {
            "finished": self.clip.finish,
            "plain": self.plain,
            "tracked": self.tracked,
            "inspected": self.inspected,
            "uncaptioned": self.clip.uncaptioned().finish,
            "both": both.finish,
            "two runs": partial(_run_both, self.clip.finish, square.render),
            "chain": self.chain,
            "moviepy": self.moviepy,
        }

    def plain(self) -> None:
        self._ffmpeg(*self._cut(), "-vf", self._crop(), *ENCODE, *SOUND, "plain.mp4")

    def tracked(self) -> None:
        """As in a job whose recording was looked at by its keyframes only."""
        clip, folder = self.clip, self.clip.folder
        first, last = max(0.0, clip.plan.start - MARGIN_S), clip.plan.end + MARGIN_S
        analyse_chunk(clip.source, chunk_of_span(clip.source, folder, first, last), folder)
        clip.finish()

    def inspected(self) -> None:
        self.tracked()
        clip = self.clip
        made = clip.folder / f"c{clip.plan.index}o0.mp4"
        inspect(made, clip.plan, clip.source, clip.folder, lambda: False)

    def chain(self) -> None:
        """One after the other, as clip tools do."""
        self._ffmpeg(*self._cut(), *ENCODE, *SOUND, "cut.mp4")
        self._ffmpeg("-i", "cut.mp4", "-vf", self._crop(), *ENCODE, "-c:a", "copy", "framed.mp4")
        burn = "ass=bench.ass:fontsdir=fonts"
        self._ffmpeg("-i", "framed.mp4", "-vf", burn, *ENCODE, "-c:a", "copy", "chain.mp4")

    def moviepy(self) -> None:
        script = (
            "from moviepy import VideoFileClip as V\n"
            f"c = V({str(self.clip.source.path)!r}).subclipped({START}, {self.clip.plan.end})\n"
            f"c = c.cropped(x1=656, width=608).resized(({WIDTH}, {HEIGHT}))\n"
            "c.write_videofile('moviepy.mp4', codec='libx264', preset='veryfast', logger=None,\n"
            "    audio_codec='aac', ffmpeg_params=['-crf', '21', '-pix_fmt', 'yuv420p'])\n"
        )
        command = [str(self.benchmark.peers.python), "-c", script]
        subprocess.run(command, cwd=self.clip.folder, check=True)

    def _cut(self) -> tuple[str, ...]:
        length = f"{self.clip.plan.end - self.clip.plan.start:g}"
        return ("-ss", f"{START:g}", "-t", length, "-i", str(self.clip.source.path))

    def _crop(self) -> str:
        """The same moving crop, as an expression."""
        first, last = self.clip.output.framing.keys
        speed = (last.x - first.x) / (last.time - first.time)
        return f"crop=608:1080:iw*({first.x}+t*{speed:.6f}):0:exact=1,scale={WIDTH}:{HEIGHT}"

    def _ffmpeg(self, *words: str) -> None:
        ffmpeg(self.clip.folder, *words)


def measure_rendering(benchmark: VideoBenchmark) -> list[GoalRow]:
    pairs = [pair for pair in PAIRS if pair.goal in benchmark.goals]
    rows = [SMART_CUT] if "S10" in benchmark.goals else []
    if not pairs:
        return rows
    folder = benchmark.folder("render")
    clip = prepare_clip(benchmark.recording, folder, START, benchmark.clip_s)
    (folder / "bench.ass").write_text(clip.output.ass or "", encoding="utf-8")
    wanted = select_contenders(pairs)
    if "moviepy" in wanted:
        benchmark.peers  # noqa: B018 - installed before anything is measured
    every = RenderContenders(clip, benchmark).all()
    clip.finish()  # warms up, and lays out the fonts that the chain reads
    costs = measure_in_turn(
        {name: work for name, work in every.items() if name in wanted},
        benchmark.options.rounds,
        lambda text: benchmark.print(f"render: {text}"),
    )
    benchmark.raw["render"] = build_rows(costs)
    least_costs = select_least(costs)
    compared = [row for pair in pairs for row in pair.rows(least_costs)]
    return sorted([*compared, *rows], key=lambda row: int(row.goal[1:]))
