"""Drafts as people write them: 500 by default, from a seed, each with faults of its own.

In: a number and a seed. Out: drafts in English with a platform and keywords. No text of anybody's:
sentences are made from parts, faults are put in by chance. They rank ways to optimise; they prove
nothing about real posts.
"""

from dataclasses import dataclass
from random import Random

PLATFORMS = ("instagram", "linkedin", "x", "facebook", "threads", "pinterest")
_SUBJECTS = (
    ("coffee roastery", "a bag of single origin beans", "tasting room", "specialty coffee"),
    ("running club", "a ten kilometre route", "starting line", "trail running"),
    ("bookshop", "a shelf of new novels", "reading corner", "independent bookshop"),
    ("bike workshop", "a repaired frame", "tool bench", "bike repair"),
    ("garden centre", "a tray of herbs", "greenhouse", "urban gardening"),
    ("bakery", "a loaf of rye bread", "front counter", "sourdough bread"),
    ("pottery studio", "a glazed bowl", "kiln room", "handmade ceramics"),
    ("software team", "a small release", "status page", "release notes"),
    ("yoga studio", "a morning class", "main hall", "morning yoga"),
    ("music school", "a first recital", "practice room", "piano lessons"),
    ("dog shelter", "a volunteer day", "front yard", "dog adoption"),
    ("travel agency", "a weekend by the lake", "booking desk", "slow travel"),
)
_OPENINGS = (
    "We would like to inform everybody that our {place} is going to present {thing} this week",
    "After many months of preparation in the {room} our {place} has finally got {thing}",
    "Our {place} is open again and there is {thing} for everybody who likes {keyword}",
    "This is a short note from the {place}",
    "The {place} has moved to a building with a bigger {room}",
    "Approximately two years ago we started our {place} with a small {room} and an old table",
)
_MIDDLES = (
    "In order to celebrate it we will utilize the {room} for an evening with friends and we have "
    "asked a number of people from the street to participate in the preparations",
    "The team has worked hard, and we are proud of what is there now",
    "Due to the fact that the {room} is small, we can only welcome {number} people at a time",
    "Numerous visitors told us that they like {thing}",
    "We have had a problem with the heating, but it works again",
    "It is cheap, and it is good",
    "The objective of our {place} is to facilitate the first steps for individuals who have never "
    "tried it, so we show everything slowly and we answer every question that people have",
    "Prices start at {price} euros",
    "Everything is made in the {room}; nothing is bought from large companies, and we establish "
    "contact with every supplier ourselves because we want to see how they work",
    "Please do not hesitate to ask the people at the desk",
    "Don't miss the evening on Friday at {hour}",
    "Is there anything better than {thing}?",
    "Do you remember the old {room}?",
    "You can bring a friend",
)
_ENDINGS = (
    "More at https://example.org/{slug}",
    "Thanks to @{slug} for the help",
    "See you there",
    "We would be happy about visitors",
    "Write to us",
    "",
    "",
)


@dataclass(frozen=True, slots=True)
class PlantedDraft:
    """A draft, where it is to be posted, and words that have to be in it."""

    text: str
    platform: str
    keywords: tuple[str, ...]


def make_drafts(count: int = 500, seed: int = 19) -> list[PlantedDraft]:
    """The same for the same seed; no two are equal."""
    chance = Random(seed)
    drafts: dict[str, PlantedDraft] = {}
    while len(drafts) < count:
        draft = _make_draft(chance)
        drafts[draft.text] = draft
    return list(drafts.values())


def _make_draft(chance: Random) -> PlantedDraft:
    place, thing, room, keyword = chance.choice(_SUBJECTS)
    site = chance.choice(PLATFORMS)
    words = {
        "place": place,
        "thing": thing,
        "room": room,
        "keyword": keyword,
        "number": chance.randrange(6, 60),
        "price": chance.randrange(3, 90),
        "hour": f"{chance.randrange(1, 12)}:{chance.choice(('00', '15', '30'))}",
        "slug": place.replace(" ", ""),
    }
    count = chance.choice((0, 1, 2)) if site in ("x", "threads") else chance.choice((1, 2, 3, 4))
    parts = [chance.choice(_OPENINGS), *chance.sample(_MIDDLES, count), chance.choice(_ENDINGS)]
    sentences = [_ended(part.format(**words), chance) for part in parts if part]
    text = chance.choice((" ", " ", " ", "\n\n")).join(sentences)
    text = _damaged(text, chance) + _hashtags(place, keyword, chance)
    keywords = (keyword,) if chance.random() < 0.7 else (keyword, place)
    return PlantedDraft(text, site, keywords)


def _ended(sentence: str, chance: Random) -> str:
    if sentence[-1] in "?!" or "https://" in sentence:
        return sentence
    return sentence + chance.choice((".", ".", ".", "!", "!!!!"))


def _damaged(text: str, chance: Random) -> str:
    fault = chance.randrange(6)
    if fault == 0:
        return text.replace(". ", " .  ")
    if fault == 1:
        start, _, rest = text.partition(" is ")
        return f"{start.upper()} IS {rest}" if rest else text
    return text


def _hashtags(place: str, keyword: str, chance: Random) -> str:
    if chance.random() < 0.6:
        return ""
    tags = ["".join(map(str.title, words.split())) for words in (place, keyword)]
    tags += ["Local", "Weekend", "News", "Friends", "Love", "City", "Team", "Happy"]
    return "\n" + " ".join(f"#{tag}" for tag in tags[: chance.choice((1, 2, 4, 9))])
