"""How to make each kind of recording: a table of ffmpeg arguments in, files out.

Every kind shows the same (notes A2): a white flash and a 1 kHz beep begin together at every even
second, over a moving picture with the frame's number written in bars (see `eyes.py`). What differs
is how it is coded, timed and packed.
"""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

DURATION_S = 6.0
BARS = 10
PERIOD_S = 2.0

_BEEP = "aevalsrc='if(lt(mod(t\\,2)\\,0.05)\\,0.8*sin(2*PI*1000*t)\\,0)':s=48000:d=6"
_AAC = ("-c:a", "aac", "-b:a", "96k")
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-pix_fmt", "yuv420p")
_GOP = ("-g", "48", "-bf", "2")
SECRET = "taken at home"
_SECRET = ("-metadata", f"title={SECRET}", "-metadata", f"comment={SECRET}")
_AS_TIMED = ("-copyts", "-fps_mode", "passthrough")
_PQ = ("bt2020", "smpte2084", "bt2020nc")
_HLG = ("bt2020", "arib-std-b67", "bt2020nc")


@dataclass(frozen=True, slots=True)
class Recording:
    """How one kind is made. `shape` are filters before the flash and bars are drawn (timing),
    `coat` those after (the picture's form), `sound` audio filters; `encode` and `mux` arguments.
    `sees`, `hears`: whether there is a picture, and sound.
    """

    suffix: str = "mp4"
    size: str = "160x90"
    rate: str = "30"
    shape: str = "null"
    coat: str = "null"
    sound: str = "anull"
    video: tuple[str, ...] = (*_X264, *_GOP)
    audio: tuple[str, ...] = _AAC
    mux: tuple[str, ...] = ()
    sees: bool = True
    hears: bool = True


def _hdr(tags: tuple[str, str, str], nits: int) -> Recording:
    primaries, transfer, matrix = tags
    tagged = ("-color_primaries", primaries, "-color_trc", transfer, "-colorspace", matrix)
    coat = (
        f"setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv,"
        f"zscale=t=linear:npl={nits},format=gbrpf32le,"
        f"zscale=p={primaries}:t={transfer}:m={matrix}:r=tv:npl={nits},format=yuv420p10le"
    )
    x264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "16", "-pix_fmt", "yuv420p10le")
    return Recording(coat=coat, video=(*x264, *_GOP, *tagged))


def _half(shape: str, sound: str, size: str) -> Recording:
    return Recording(suffix="ts", rate="25", size=size, shape=shape, sound=sound, mux=("-copyts",))


KINDS: Mapping[str, Recording] = {
    "plain": Recording(),
    "vfr": Recording(
        suffix="mkv",
        shape="select='not(between(mod(t,2),0.6,1.4)*mod(n,3))',"
        "setpts='PTS+0.003*sin(PI*PTS*TB*10)/TB'",
        mux=("-fps_mode", "vfr"),
    ),
    "fps23976": Recording(suffix="mkv", rate="24000/1001"),
    "fps2997": Recording(rate="30000/1001"),
    "fps60": Recording(rate="60"),
    "start_offset": Recording(suffix="mkv", mux=("-output_ts_offset", "5")),
    "late_sound": Recording(sound="atrim=start=0.5", mux=_AS_TIMED),
    "late_picture": Recording(shape="trim=start=0.4", mux=_AS_TIMED),
    "transport": Recording(suffix="ts", rate="25"),
    "rotated90": Recording(),
    "rotated180": Recording(),
    "rotated270": Recording(),
    "sar": Recording(coat="setsar=4/3"),
    "no_audio": Recording(hears=False),
    "audio_only": Recording(suffix="m4a", sees=False),
    "mp3": Recording(suffix="mp3", sees=False, audio=("-c:a", "libmp3lame", "-b:a", "128k")),
    "silent": Recording(sound="volume=0"),
    "mono": Recording(sound="pan=mono|c0=c0"),
    "surround": Recording(sound="pan=5.1|FL=c0|FR=c0|FC=c0|LFE=0*c0|BL=0.5*c0|BR=0.5*c0"),
    "rate8k": Recording(suffix="mov", sound="aresample=8000", audio=("-c:a", "pcm_mulaw")),
    "several_tracks": Recording(suffix="mkv"),
    "hdr_pq": _hdr(_PQ, 203),
    "hdr_hlg": _hdr(_HLG, 203),
    "ten_bit": Recording(video=(*_X264[:-1], "yuv422p10le", *_GOP)),
    "full_range": Recording(coat="scale=out_range=pc,format=yuvj420p"),
    "odd_size": Recording(
        suffix="mkv", size="161x91", video=("-c:v", "ffv1", "-pix_fmt", "yuv444p")
    ),
    "tall": Recording(size="90x160"),
    "interlaced": Recording(
        suffix="ts",
        size="160x96",
        rate="50",
        coat="interlace=lowpass=0",
        video=(*_X264, *_GOP, "-flags", "+ilme+ildct", "-x264-params", "tff=1"),
    ),
    "alpha": Recording(
        suffix="mov",
        coat="format=yuva444p10le,colorchannelmixer=aa=1",
        video=("-c:v", "prores_ks", "-profile:v", "4444"),
    ),
    "half_seen": Recording(
        suffix="mov",
        coat="format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='255*lt(X,W/2)'",
        video=("-c:v", "qtrle"),
    ),
    "webm": Recording(
        suffix="webm",
        video=("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "60"),
        audio=("-c:a", "libopus"),
    ),
    "avi": Recording(
        suffix="avi", video=("-c:v", "mpeg4", "-q:v", "3"), audio=("-c:a", "pcm_s16le")
    ),
    "one_keyframe": Recording(video=(*_X264, "-g", "10000", "-bf", "2")),
    "resized": _half("trim=end=3", "atrim=end=3", "160x90"),
    "truncated": Recording(mux=("-movflags", "+faststart")),
    "cover_art": Recording(),
}


def make(kind: str, folder: Path) -> Path:
    """The file of that kind, made in `folder` unless it is there."""
    recording = KINDS[kind]
    path = folder / f"{kind}.{recording.suffix}"
    if path.exists():
        return path
    part = folder / f"part-{kind}.{recording.suffix}"
    _run(*_inputs(recording), *_coded(recording), *recording.mux, *_SECRET, str(part))
    _FINISH.get(kind, lambda made: None)(part)
    return part.rename(path)


def build(recording: Recording, path: Path) -> Path:
    """One that is in no table, as `path`."""
    _run(*_inputs(recording), *_coded(recording), *recording.mux, str(path))
    return path


def remux(path: Path, *words: str) -> Path:
    """`path`, made by a command of ffmpeg."""
    _run(*words, str(path))
    return path


def _inputs(recording: Recording) -> list[str]:
    source = f"testsrc2=s={recording.size}:r={recording.rate}:d={DURATION_S:g}"
    sight = f"{source},{recording.shape},{flash()},{bars()},{recording.coat}"
    sound = f"{_BEEP},{recording.sound}"
    return [
        word
        for wanted, graph in ((recording.sees, sight), (recording.hears, sound))
        if wanted
        for word in ("-f", "lavfi", "-i", graph)
    ]


def _coded(recording: Recording) -> list[str]:
    return [
        *(recording.video if recording.sees else ()),
        *(recording.audio if recording.hears else ()),
    ]


def flash() -> str:
    """White over the middle half of the picture, from each even second for 67 ms."""
    where = "x=iw/4:y=0:w=iw/2:h=ih*0.7"
    return f"drawbox={where}:color=black:t=fill,drawbox={where}:color=white:t=fill:" + (
        f"enable='lt(mod(t+0.0005,{PERIOD_S:g}),0.0667)'"
    )


def bars() -> str:
    """The frame's number in binary along the lower edge, lowest bit at the left."""
    one = "drawbox=x=iw*{at}/{n}:y=ih*0.75:w=iw/{n}:h=ih*0.25:t=fill:color={color}"
    ground = "drawbox=x=0:y=ih*0.75:w=iw:h=ih*0.25:t=fill:color=black"
    drawn = [
        one.format(at=bit, n=BARS, color="white") + f":enable='mod(floor(n/{2**bit}),2)'"
        for bit in range(BARS)
    ]
    return ",".join((ground, *drawn))


def _remux(part: Path, *words: str) -> None:
    """`part` rewritten by a command in which IN stands for it."""
    made = part.with_name(f"again-{part.name}")
    _run(*[str(part) if word == "IN" else word for word in words], str(made))
    made.replace(part)


def _turned(degrees: int) -> Callable[[Path], None]:
    return lambda part: _remux(
        part, "-display_rotation", str(-degrees), "-i", "IN", "-c", "copy", "-map", "0"
    )


def _with_second_track(part: Path) -> None:
    other = "sine=frequency=300:duration=6"
    languages = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu")
    maps = ("-map", "0", "-map", "1:a", "-c:v", "copy", "-c:a", "aac")
    _remux(part, "-i", "IN", "-f", "lavfi", "-i", other, *maps, *languages)


def _with_cover(part: Path) -> None:
    cover = part.with_name("cover.jpg")
    _run("-f", "lavfi", "-i", "color=red:s=64x64:d=1", "-frames:v", "1", "-update", "1", str(cover))
    maps = ("-map", "1", "-map", "0", "-c", "copy", "-disposition:v:0", "attached_pic")
    _remux(part, "-i", "IN", "-i", str(cover), *maps)
    cover.unlink()


def _cut_short(part: Path) -> None:
    data = part.read_bytes()
    part.write_bytes(data[: len(data) * 6 // 10])


def _with_smaller_half(part: Path) -> None:
    """The picture changes its size midway, as when a broadcast goes over to advertisements."""
    rest = _half("trim=start=3", "atrim=start=3", "128x72")
    other = part.with_name("rest.ts")
    _run(*_inputs(rest), *_coded(rest), *rest.mux, str(other))
    part.write_bytes(part.read_bytes() + other.read_bytes())
    other.unlink()


def _run(*words: str) -> None:
    command = [get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", "-threads", "1", *words]
    subprocess.run(command, check=True, timeout=120)


_FINISH: Mapping[str, Callable[[Path], None]] = {
    "rotated90": _turned(90),
    "rotated180": _turned(180),
    "rotated270": _turned(270),
    "several_tracks": _with_second_track,
    "cover_art": _with_cover,
    "resized": _with_smaller_half,
    "truncated": _cut_short,
}
