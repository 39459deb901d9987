"""Files made to harm: disguises, bombs and seeded mutations of small recordings."""

import struct
import subprocess
import zipfile
import zlib
from pathlib import Path
from random import Random

from deployments.sandbox.binary import ffmpeg_binary

SIGHT = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=12:d=1")
SOUND = ("-f", "lavfi", "-i", "sine=d=1:r=16000")
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "6", "-bf", "1")
SEEDS = {
    "a.mp4": (*SIGHT, *SOUND, *X264),
    "b.mkv": (*SIGHT, *SOUND, *X264),
    "c.ts": (*SIGHT, *SOUND, *X264, "-muxrate", "0"),
    "d.wav": (*SOUND,),
    "e.mp3": (*SOUND,),
    "f.webm": (*SIGHT, *SOUND, "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"),
    "g.avi": (*SIGHT, *SOUND, "-c:v", "mpeg4"),
    "h.mp4": (*SIGHT, *SOUND, *X264, "-movflags", "frag_keyframe+empty_moov"),
}
BOXES = (
    b"ftyp moov mvhd trak tkhd mdia mdhd hdlr minf stbl stsd stts stsc stsz stco ctts stss edts "
    b"elst mdat moof traf trun avc1 avcC mp4a esds dinf dref udta RIFF LIST fmt data"
).split()
EXTREMES = (0, 1, 7, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0)


def ffmpeg(*words: str | Path) -> None:
    command = [ffmpeg_binary(), "-v", "error", "-y", "-threads", "1", *map(str, words)]
    subprocess.run(command, check=True, timeout=120)


def seeds(folder: Path) -> list[Path]:
    for name, words in SEEDS.items():
        ffmpeg(*words, folder / name)
    return [folder / name for name in SEEDS]


def mutated(data: bytes, random: Random) -> bytes:
    """One of: flipped bits, an end cut off, a box's size rewritten, a stretch blanked or moved."""
    return random.choice((flipped, cut, resized, resized, blanked, moved))(bytearray(data), random)


def flipped(data: bytearray, random: Random) -> bytes:
    """Half of the time within the header, where it hurts most."""
    reach = len(data) if random.random() < 0.5 else min(len(data), 2_000)
    for _ in range(random.choice((1, 3, 10, 100))):
        data[random.randrange(reach)] ^= 1 << random.randrange(8)
    return bytes(data)


def cut(data: bytearray, random: Random) -> bytes:
    return bytes(data[: random.randrange(len(data))])


def resized(data: bytearray, random: Random) -> bytes:
    """Overwrites the four bytes before or after a box's name, or any four."""
    names = [data.find(box, random.randrange(len(data))) for box in random.sample(BOXES, 8)]
    offsets = [name for name in names if name >= 4] or [random.randrange(4, len(data) - 8)]
    offset = random.choice(offsets) + random.choice((-4, -4, 4, 8, 12))
    value = random.choice((*EXTREMES, random.getrandbits(32), random.getrandbits(10)))
    data[offset : offset + 4] = struct.pack(">I", value)
    return bytes(data)


def blanked(data: bytearray, random: Random) -> bytes:
    start, size = random.randrange(len(data)), random.randrange(1, 4_000)
    end = min(len(data), start + size)
    data[start:end] = bytes([random.choice((0, 0xFF, 0x41))]) * (end - start)
    return bytes(data)


def moved(data: bytearray, random: Random) -> bytes:
    start, end = sorted(random.randrange(len(data)) for _ in range(2))
    target = random.randrange(len(data))
    return bytes(data[:target] + data[start : min(end, start + 20_000)] + data[target:])


def disguises(folder: Path, sibling: str) -> list[Path]:
    """Text and archives with names of recordings; some would read `sibling` or more."""
    passwd = "/etc/passwd"
    texts = {
        "relative.mp4": f"ffconcat version 1.0\nfile {sibling}\n",
        "absolute.mp4": f"ffconcat version 1.0\nfile '{passwd}'\n",
        "remote.mkv": "ffconcat version 1.0\nfile http://127.0.0.1:9/x.mp4\n",
        "nested.mov": f"ffconcat version 1.0\nfile 'concat:{sibling}|{sibling}'\n",
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{sibling}\n#EXT-X-ENDLIST\n",
        "hls.m3u8": f"#EXTM3U\n#EXTINF:1,\nfile://{passwd}\n#EXT-X-ENDLIST\n",
        "remote.ts": "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
        "crypto.mp4": f"#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI={passwd}\n#EXTINF:1,\n{sibling}\n",
        "dash.mp4": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period>'
        f"<BaseURL>{sibling}</BaseURL></Period></MPD>",
        "picture.mp4": '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">'
        f'<image href="file://{passwd}"/></svg>',
        "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
        "plain.mp4": "not a recording\n" * 50,
        "subtitles.mp4": "1\n00:00:00,000 --> 00:00:01,000\nHello\n",
        "metadata.mp4": ";FFMETADATA1\ntitle=x\n",
        "script.wav": "#!/bin/sh\ncat /etc/passwd\n",
        "empty.mp4": "",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    with zipfile.ZipFile(folder / "archive.mp4", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", bytes(1 << 20))
    ffmpeg(*SIGHT, "-frames:v", "1", "-f", "image2", "-c:v", "png", folder / "still.mp4")
    ffmpeg(*SIGHT, "-f", "gif", folder / "moving.mp4")
    return [folder / name for name in (*texts, "archive.mp4", "still.mp4", "moving.mp4")]


def box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def with_reference(recording: bytes, target: bytes) -> bytes:
    """The recording, whose first data reference is an alias to another file (MOV `alis`)."""
    folder = struct.pack(">I", 0)
    absolute = struct.pack(">HH", 18, len(target)) + target + b"\0" * (len(target) % 2)
    relative = struct.pack(">HH", 2, len(target)) + target + b"\0" * (len(target) % 2)
    alias = bytes(10) + b"\0" * 28 + bytes(112) + relative + absolute + struct.pack(">hh", -1, 0)
    dref = box(b"dref", folder, struct.pack(">I", 1), box(b"alis", struct.pack(">I", 0), alias))
    return replaced(recording, [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"], dref)


def replaced(data: bytes, path: list[bytes], new: bytes) -> bytes:
    """`data` with the first box at `path` replaced; sizes above it follow."""
    offset = 0
    while offset + 8 <= len(data):
        size = struct.unpack(">I", data[offset : offset + 4])[0]
        if data[offset + 4 : offset + 8] == path[0]:
            inner = data[offset + 8 : offset + size]
            replacement = new if len(path) == 1 else box(path[0], replaced(inner, path[1:], new))
            return data[:offset] + replacement + data[offset + size :]
        offset += max(8, size)
    raise ValueError(f"no {path[0]!r}")


def compressed_header(claimed: int) -> bytes:
    """A QuickTime file whose compressed header claims to unpack to `claimed` bytes."""
    packed = struct.pack(">I", claimed) + zlib.compress(bytes(1 << 22))
    header = box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", packed))
    return box(b"ftyp", b"qt  ", bytes(4)) + box(b"moov", header) + box(b"mdat", bytes(64))


def wave(channels: int, rate: int, bits: int) -> bytes:
    """A sound file with just that header and four bytes of sound."""
    form = struct.pack("<HHIIHH", 1, channels & 0xFFFF, rate, 0xFFFFFFFF, 0xFFFF, bits)
    chunk = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", 0xFFFFFF00)
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + chunk + bytes(4)
