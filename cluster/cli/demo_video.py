"""The demo's video: 40 seconds that it makes itself, with a transcript, and clips.

A speaker's dot moves over a changing background; the sound is a hum in the rhythm of speech, louder
where the exciting sentences are. Everything is drawn by ffmpeg's own test sources.
"""

import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg

from cluster.cli.clip import run as clip
from cluster.cli.output import print_rich

SECONDS = 40
LINES = (
    "Welcome to our little roastery by the harbour.",
    "We buy the beans from four farms that we know by name.",
    "Why does it taste so different? Because we roast it the slow way!",
    "You should never hurry a good coffee.",
    "Most people grind it far too fine.",
    "The secret is fresh water and a little patience.",
    "Our new rooftop bar opens this Friday, and it is amazing!",
    "Come early, the first hundred cups are free.",
)


def run(key: str | None, out: Path) -> int:
    """Make the video, clip it, leave the clips in `out`."""
    print_rich("\n[bold]4. A video becomes clips[/]  ./mobula clip demo.mp4 --transcript demo.srt")
    with tempfile.TemporaryDirectory() as folder:
        video, srt = Path(folder) / "demo.mp4", Path(folder) / "demo.srt"
        make(video)
        srt.write_text(transcript())
        options = {"count": 2, "min_s": 6, "max_s": 14, "aspects": ["9:16"], "quality": "draft"}
        return clip(video, srt, out, key, options)


def transcript() -> str:
    """SubRip, a line every five seconds."""
    step = SECONDS / len(LINES)
    cues = [
        f"{number}\n{_time(at)} --> {_time(at + step - 0.8)}\n{line}\n"
        for number, line in enumerate(LINES, 1)
        if (at := (number - 1) * step + 0.3) < SECONDS
    ]
    return "\n".join(cues)


def make(file: Path) -> None:
    """640x360, 25 frames a second, H.264 and AAC. Raises CalledProcessError."""
    dot = (
        "color=c=0xffd9b3:s=70x90:r=25[dot];"
        "gradients=s=640x360:r=25:speed=0.01:seed=3[wall];"
        "[wall][dot]overlay=x='250+180*sin(t/2.3)':y='130+10*sin(t*2)',noise=alls=4:allf=t[out]"
    )
    hum = (
        "aevalsrc='(0.12+0.2*between(t,10,15)+0.25*between(t,30,36))*sin(2*PI*(170+30*sin(5*t))*t)"
        "*max(0,sin(2*PI*2.1*t))*lt(mod(t,5),4.2)':s=48000"
    )
    sources = ["-f", "lavfi", "-i", hum, "-filter_complex", dot, "-map", "[out]", "-map", "0:a"]
    encode = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    binary = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run(
        [binary, "-v", "error", "-y", *sources, *encode, "-t", str(SECONDS), str(file)],
        check=True,
        stdin=subprocess.DEVNULL,
    )


def _time(seconds: float) -> str:
    whole, rest = divmod(seconds, 1)
    return f"00:{int(whole) // 60:02d}:{int(whole) % 60:02d},{int(rest * 1000):03d}"
