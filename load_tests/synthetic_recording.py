"""A talk that nobody gave: a recording with a speaker, cuts, a voice's rhythm, and its transcript.

In: seconds and a picture size. Out: an MP4 and a SubRip file. Everything is drawn by ffmpeg's own
sources; the same seed gives the same talk. A few passages are louder, quicker and say more, so that
there is something to find.
"""

import random
import subprocess
from pathlib import Path

import imageio_ffmpeg

PLAIN = (
    "We buy the beans from four farms that we know by name",
    "The water has to be fresh and not too hot",
    "Most people grind it far too fine",
    "In the morning we open the shutters and sweep the floor",
    "It takes about four minutes from start to end",
    "Then we wait until the cup has cooled a little",
    "There is a table by the window where nobody ever sits",
    "The machine is older than most of our guests",
)
EXCITING = (
    "Why does it taste so different? Because we roast it the slow way!",
    "You should never hurry a good coffee, and here is the secret!",
    "This is the biggest mistake that everybody makes!",
    "Our new rooftop bar opens this Friday, and it is amazing!",
)
SHOT_S = 20


def plan_highlights(seconds: int, seed: int = 0) -> list[tuple[float, float]]:
    """Where the exciting passages are: about one in 90 seconds, 20 to 30 seconds each."""
    dice = random.Random(f"talk {seed}")
    periods, at = [], 20.0 + dice.random() * 20
    while at + 30 < seconds:
        periods.append((at, at + 20 + dice.random() * 10))
        at += 80 + dice.random() * 40
    return periods


def build_transcript(seconds: int, seed: int = 0) -> str:
    """SubRip cues of one sentence each, with pauses between them."""
    dice, at = random.Random(f"words {seed}"), 0.4
    cues: list[str] = []
    loud = plan_highlights(seconds, seed)
    while at < seconds - 6:
        exciting = any(first <= at < last for first, last in loud)
        line = dice.choice(EXCITING if exciting else PLAIN)
        line = line if line[-1] in "!?." else line + "."
        length = len(line.split()) * (0.26 if exciting else 0.36)
        cues.append(f"{len(cues) + 1}\n{_time(at)} --> {_time(at + length)}\n{line}\n")
        at += length + (0.3 if exciting else dice.uniform(0.4, 1.4))
    return "\n".join(cues)


def write_recording(
    file: Path, seconds: int, width: int = 1920, height: int = 1080, seed: int = 0, fps: int = 30
) -> None:
    """H.264 and AAC, a keyframe every three seconds. Raises CalledProcessError."""
    side = height // 3
    wall = f"gradients=s=480x270:r={fps}:speed=0.004:seed={seed}:d={seconds}"
    wall += f",format=yuv420p,noise=c0s=4:c0f=t,hue='H=2*PI*mod(floor(t/{SHOT_S})*0.31,1)'"
    wall += f",scale={width}:{height}:flags=fast_bilinear"
    speaker = f"color=c=0xffd9b3:s={side * 3 // 4}x{side}:r={fps}:d={seconds}"
    position = f"x='(W-w)*(0.2+0.6*mod(floor(t/{SHOT_S})*0.37,1))+W*0.02*sin(t*1.7)'"
    picture = (
        f"{wall}[wall];{speaker}[speaker];"
        f"[wall][speaker]overlay={position}:y='H*0.4+H*0.01*sin(t*3)'[out]"
    )
    louder = (
        "+".join(f"between(t,{a:.1f},{b:.1f})" for a, b in plan_highlights(seconds, seed)) or "0"
    )
    voice = (
        f"aevalsrc='(0.1+0.25*({louder}))*sin(2*PI*(160+25*sin(4*t))*t)*max(0,sin(2*PI*2.2*t))"
        f"*lt(mod(t,7),6.2)':s=48000:d={seconds}"
    )
    rate = max(200, width * height // 500)  # kbit/s: 4 Mbit/s for 1080p
    encode = ["-c:v", "libx264", "-preset", "superfast", "-b:v", f"{rate}k", "-maxrate", f"{rate}k"]
    encode += ["-bufsize", f"{2 * rate}k", "-g", str(3 * fps)]
    maps = ["-map", "[out]", "-map", "0:a", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    sources = ["-f", "lavfi", "-i", voice, "-filter_complex", picture]
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *sources, *maps, *encode]
        + ["-t", str(seconds), str(file)],
        check=True,
        stdin=subprocess.DEVNULL,
    )


def _time(seconds: float) -> str:
    whole, rest = divmod(seconds, 1)
    minutes, whole = divmod(int(whole), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{whole:02d},{int(rest * 1000):03d}"
