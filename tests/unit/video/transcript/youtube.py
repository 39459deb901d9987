"""YouTube's automatic captions in the form in which yt-dlp saves them, as WebVTT and as SRT.

Each line is shown while it is said, word by word with inline times; then for 10 ms alone, without
them; then as the upper line while the next one is said. A line of one word has no inline time.
"""

LINES: tuple[tuple[float, float, tuple[tuple[float, str], ...]], ...] = (
    (0.16, 2.07, ((0.16, "Hello"), (0.48, "back"), (0.72, "to"), (0.88, "my"), (1.04, "channel"))),
    (2.08, 4.55, ((2.08, "today"), (2.4, "we"), (2.56, "talk"), (2.96, "about"), (3.2, "bread"))),
    (4.56, 6.2, ((4.56, "okay"),)),
    (6.21, 9.0, ((6.21, "so"), (6.5, "take"), (6.9, "the"), (7.1, "flour"))),
)  # fmt: skip
SAID = [word for _, _, words in LINES for _, word in words]
STARTS = [start for _, _, words in LINES for start, _ in words]
_SETTINGS = " align:start position:0%"


def clock(seconds: float, point: str = ".") -> str:
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"00:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def vtt() -> str:
    """As `yt-dlp --write-auto-subs --sub-format vtt` leaves it."""
    cues, before = [], " "
    for start, end, words in LINES:
        first, *others = words
        line = first[1] + "".join(f"<{clock(at)}><c> {word}</c>" for at, word in others)
        plain = " ".join(word for _, word in words)
        cues.append(f"{clock(start)} --> {clock(end)}{_SETTINGS}\n{before}\n{line}\n")
        cues.append(f"{clock(end)} --> {clock(end + 0.01)}{_SETTINGS}\n{plain}\n \n")
        before = plain
    return "WEBVTT\nKind: captions\nLanguage: en\n\n" + "\n".join(cues)


def srt() -> str:
    """The same after `--convert-subs srt`."""
    cues, before = [], ""
    for start, end, words in LINES:
        plain = " ".join(word for _, word in words)
        cues += [(start, end, f"{before}\n{plain}".strip()), (end, end + 0.01, plain)]
        before = plain
    return "\n".join(
        f"{number}\n{clock(start, ',')} --> {clock(end, ',')}\n{text}\n"
        for number, (start, end, text) in enumerate(cues, 1)
    )
