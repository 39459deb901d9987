"""Labelled traffic for the semantic cache: requests, and which of them deserve the same answer.

In: a seeded Random. Out: (meaning, text) pairs. A meaning is a task, a subject and details; its
wordings vary in verbs, order, politeness and typing. Hard negatives share the wording and differ in
subject, number, platform, mood, language, or in what is to be left out.
"""

from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from random import Random

SUBJECTS = (
    "a coffee shop", "a tea shop", "a bookshop", "a bakery", "a vegan bakery", "a flower shop",
    "a yoga studio", "a gym", "a boxing club", "a dog groomer", "a cat cafe", "a barber shop",
    "a hair salon", "a nail studio", "a pizza place", "a burger van", "a sushi bar", "a wine bar",
    "a cocktail bar", "an ice cream parlour", "a farmers market", "a bike repair shop",
    "a used car dealer", "a driving school", "a language school", "a piano teacher",
    "a dance school", "a photo studio", "a wedding planner", "a travel agency", "a beach hotel",
    "a mountain lodge", "a camping site", "a city museum", "a jazz festival", "a rock concert",
    "a charity run", "a toy store", "a garden centre", "a furniture maker",
)  # fmt: skip

# Each task: wordings with {s} for the subject and {d} for the detail, and the details.
TASKS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        (
            "write a caption for {s} on {d}",
            "write a {d} caption for {s}",
            "create a {d} caption about {s}",
            "compose a caption for {d} about {s}",
            "I need a {d} caption for {s}",
            "give me a caption for {s} that I can post on {d}",
            "draft a {d} post caption promoting {s}",
        ),
        ("Instagram", "LinkedIn", "TikTok", "Facebook"),
    ),
    (
        (
            "list {d} hashtags for {s}",
            "give me {d} hashtags about {s}",
            "suggest {d} hashtags that fit {s}",
            "I need {d} good hashtags for {s}",
            "what are {d} hashtags I could use for {s}?",
            "come up with {d} hashtags for a post about {s}",
        ),
        ("3", "5", "10", "20"),
    ),
    (
        (
            "write a {d} slogan for {s}",
            "give me a {d} slogan for {s}",
            "think of a slogan for {s} that sounds {d}",
            "I want a {d} slogan to advertise {s}",
            "make up a {d} slogan for {s}",
        ),
        ("funny", "serious", "romantic"),
    ),
    (
        (
            "announce the {d} of {s}",
            "write an announcement for the {d} of {s}",
            "tell people about the {d} of {s}",
            "we need a post announcing the {d} of {s}",
            "draft a short announcement: the {d} of {s}",
        ),
        ("opening", "closing", "anniversary", "renovation"),
    ),
    (
        (
            "write an advert for {s} {d} the prices",
            "make an ad for {s} {d} the prices",
            "we want an advert for {s} {d} the prices",
            "create a short advertisement for {s} {d} the prices",
            "put together an ad {d} the prices for {s}",
        ),
        ("and mention", "and do not mention", "but never mention"),
    ),
    (
        (
            "translate the description of {s} into {d}",
            "put the description of {s} into {d}",
            "give me a {d} version of the description of {s}",
            "I need the description of {s} in {d}",
            "how would you describe {s} in {d}?",
        ),
        ("German", "French", "Spanish", "Portuguese"),
    ),
    (
        (
            "when is the best time to post about {s} in the {d}?",
            "what time in the {d} should I post about {s}?",
            "which hour of the {d} is best for a post about {s}?",
            "best {d} posting time for {s}?",
        ),
        ("morning", "evening"),
    ),
    (
        (
            "what are the {d} of advertising {s} online?",
            "list the {d} of online ads for {s}",
            "tell me the {d} of promoting {s} on the internet",
            "name some {d} of advertising {s} on the web",
        ),
        ("advantages", "disadvantages"),
    ),
)
SAME_MEANING = {"but never mention": "and do not mention"}

_OPENERS = ("", "", "", "please ", "hey, ", "hi, can you help? ", "could you help me: ", "quick: ")
_CLOSERS = ("", "", "", " please", " thanks", " thank you!", " for me", " asap")


@dataclass(frozen=True, slots=True)
class LabelledRequest:
    """`meaning` is equal for requests that deserve the same answer."""

    meaning: str
    text: str


def generate_traffic(count: int, random: Random, skew: float = 1.0) -> list[LabelledRequest]:
    """`count` requests; meanings are drawn by a Zipf law with exponent `skew`."""
    meanings = [
        (task, subject, detail)
        for task, (_, details) in enumerate(TASKS)
        for subject in SUBJECTS
        for detail in details
    ]
    random.shuffle(meanings)
    odds = list(accumulate((rank + 1) ** -skew for rank in range(len(meanings))))
    drawn = (meanings[bisect(odds, random.random() * odds[-1])] for _ in range(count))
    return [_request(task, subject, detail, random) for task, subject, detail in drawn]


def _request(task: int, subject: str, detail: str, random: Random) -> LabelledRequest:
    wording = random.choice(TASKS[task][0]).format(s=subject, d=detail)
    text = random.choice(_OPENERS) + wording + random.choice(_CLOSERS)
    return LabelledRequest(
        f"{task}|{subject}|{SAME_MEANING.get(detail, detail)}", _typed(text, random)
    )


def _typed(text: str, random: Random) -> str:
    """As people type: a capital or none, a full stop or none, at times two letters swapped."""
    if random.random() < 0.6:
        text = text[0].upper() + text[1:]
    if text[-1].isalpha() and random.random() < 0.4:
        text += "."
    if random.random() < 0.1:
        at = random.randrange(len(text) - 1)
        if text[at : at + 2].isalpha():
            text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text
