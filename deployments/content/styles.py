"""Caption styles and tones: the names that a request may use, and the phrase of each in prompts.

In: a name from a request or a new entry from a host application. Out: the frozen entry, in
registration order. Both registries are open: `register_style` and `register_tone` add an entry
under a new name.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WritingStyle:
    """One way to write: `phrase` stands before the noun ("an inspirational" caption)."""

    name: str
    description: str
    phrase: str


@dataclass(frozen=True, slots=True)
class Tone:
    """One voice: `phrase` follows "Tone:" in the prompt."""

    name: str
    description: str
    phrase: str


_STYLES: dict[str, WritingStyle] = {}
_TONES: dict[str, Tone] = {}


def register_style(style: WritingStyle) -> WritingStyle:
    """Add `style` under its name and return it; raises ValueError where the name is taken."""
    if style.name in _STYLES:
        raise ValueError(f"style {style.name!r} is already registered")
    _STYLES[style.name] = style
    return style


def register_tone(tone: Tone) -> Tone:
    """Add `tone` under its name and return it; raises ValueError where the name is taken."""
    if tone.name in _TONES:
        raise ValueError(f"tone {tone.name!r} is already registered")
    _TONES[tone.name] = tone
    return tone


def style(name: str) -> WritingStyle:
    """Return the style called `name`; raises KeyError for a name that is not registered."""
    return _STYLES[name]


def tone(name: str) -> Tone:
    """Return the tone called `name`; raises KeyError for a name that is not registered."""
    return _TONES[name]


def styles() -> tuple[WritingStyle, ...]:
    """Return every style in the order of registration."""
    return tuple(_STYLES.values())


def tones() -> tuple[Tone, ...]:
    """Return every tone in the order of registration."""
    return tuple(_TONES.values())


for _entry in (
    WritingStyle("casual", "Relaxed and conversational, like a note to a friend.", "a casual"),
    WritingStyle("professional", "Clear and credible, for a working audience.", "a professional"),
    WritingStyle("playful", "Light, teasing and fun, happy to use a pun.", "a playful"),
    WritingStyle("inspirational", "Encouraging, with something to reach for.", "an inspirational"),
    WritingStyle("storytelling", "A small scene with a beginning and an end.", "a storytelling"),
    WritingStyle("promotional", "Sells one thing and says what to do next.", "a promotional"),
    WritingStyle("educational", "Teaches one useful thing in plain words.", "an educational"),
    WritingStyle("minimal", "As few words as will do.", "a minimal"),
):
    register_style(_entry)

for _voice in (
    Tone("friendly", "Open and kind.", "friendly"),
    Tone("bold", "Short, sure and a little loud.", "bold"),
    Tone("warm", "Close and caring.", "warm"),
    Tone("witty", "Dry humour, never at the reader's cost.", "witty"),
    Tone("confident", "Certain without boasting.", "confident"),
    Tone("calm", "Slow and quiet.", "calm"),
    Tone("excited", "Can hardly wait.", "excited"),
    Tone("grateful", "Says thank you and means it.", "grateful"),
):
    register_tone(_voice)
