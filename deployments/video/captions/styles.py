"""Caption styles by name: the look of burnt-in words, and their place in the picture.

A style consists of validated values (colours, shares, counts), never of ASS text, so an operator's
style cannot contain override tags. `none` is not a style: it disables burn-in.
"""

from dataclasses import dataclass

import regex

from cluster.runtime.problems import InvalidRequest

NONE = "none"
_NAME = regex.compile(r"[a-z][a-z0-9-]{0,31}")
_COLOUR = regex.compile(r"#[0-9A-Fa-f]{6}")


@dataclass(frozen=True, slots=True)
class CaptionStyle:
    """`size` is the height of a line as a share of the picture's shorter side; `outline` (and a
    box's padding) a share of that height. Colours are #RRGGBB; a word has `active` while it is
    said. `box` is the opacity of a box behind the words, 0 for none. A cue has at most `words`
    words. `pop` lets them grow into place. Raises ValueError for invalid values."""

    name: str
    colour: str = "#FFFFFF"
    active: str = "#FFFFFF"
    edge: str = "#000000"
    size: float = 0.095
    outline: float = 0.09
    box: float = 0.0
    words: int = 5
    upper: bool = False
    pop: bool = False

    def __post_init__(self) -> None:
        colours = (self.colour, self.active, self.edge)
        ranges = {"size": (0.02, 0.15), "outline": (0.0, 0.3), "box": (0.0, 1.0), "words": (1, 12)}
        if not _NAME.fullmatch(self.name) or self.name == NONE:
            raise ValueError("a style's name is 1 to 32 of a-z, 0-9 and -, and not 'none'")
        if not all(_COLOUR.fullmatch(colour) for colour in colours):
            raise ValueError("a style's colours are written #RRGGBB")
        for field, (minimum, maximum) in ranges.items():
            if not minimum <= getattr(self, field) <= maximum:
                raise ValueError(f"a style's {field} is {minimum:g} to {maximum:g}")


@dataclass(frozen=True, slots=True)
class SafeArea:
    """The area for captions, in shares of the picture: platforms cover the rest with their own."""

    left: float
    top: float
    right: float
    bottom: float


def safe_area(width: int, height: int) -> SafeArea:
    """The safe area by the shape of the picture: the taller, the higher up."""
    shape = width / height
    if shape < 0.7:
        return SafeArea(0.06, 0.62, 0.94, 0.84)
    if shape < 1.3:
        return SafeArea(0.06, 0.66, 0.94, 0.90)
    return SafeArea(0.10, 0.70, 0.90, 0.94)


_STYLES: dict[str, CaptionStyle] = {}


def register(style: CaptionStyle) -> CaptionStyle:
    """Adds `style` by its name. Raises ValueError if another style has that name."""
    if _STYLES.setdefault(style.name, style) != style:
        raise ValueError(f"there is already a caption style '{style.name}'")
    return style


def styles() -> tuple[str, ...]:
    """The names that `find` accepts, `none` included."""
    return (*sorted(_STYLES), NONE)


def find(name: str) -> CaptionStyle | None:
    """The style of that name, None for `none`. Raises InvalidRequest, listing the known names."""
    if name != NONE and name not in _STYLES:
        raise InvalidRequest(
            f"There is no caption style '{name[:40]}'; styles: {', '.join(styles())}.",
            param="captions",
        )
    return _STYLES.get(name)


register(CaptionStyle("karaoke", active="#FFD400"))
register(
    CaptionStyle(
        "bold-pop", active="#3DFF6E", size=0.115, outline=0.12, words=3, upper=True, pop=True
    )
)
register(CaptionStyle("minimal", size=0.065, outline=0.05, words=6))
register(CaptionStyle("boxed", active="#FFD400", edge="#101010", size=0.075, box=0.75, words=6))
