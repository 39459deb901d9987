"""Texts with personal data planted in them, whose places are known, and ways to cut them up.

In: a seed. Out: values of every kind that deployments/text/pii.py finds, with valid check digits,
in several shapes, and sentences around them. No value belongs to anybody: they are drawn at random.
"""

import string
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from deployments.text import checksums

CARRIERS = (
    "Sure, you can reach the team: {} should work on weekdays.",
    "I have noted {} for the next order. Anything else?",
    "({}) was what the customer left.\nPlease confirm it.",
    "Send it to {}, then wait until tomorrow, please.",
    "{}",
    "In the list there were three entries; one of them was {}.",
)
_WINDOW = 6  # characters of a value, none of which may be seen


@dataclass(frozen=True)
class PlantedText:
    """`value` is of `kind` and stands once in `text`."""

    text: str
    value: str
    kind: str

    def is_seen_in(self, output: str) -> bool:
        """Whether any part of the value is in what left."""
        parts = {
            self.value[at : at + _WINDOW] for at in range(max(1, len(self.value) - _WINDOW + 1))
        }
        around = self.text.replace(self.value, "")
        return any(part in output for part in parts if part not in around)


def planted_texts(count: int, seed: int) -> list[PlantedText]:
    """The kinds and carriers in turn."""
    rng = Random(seed)
    texts = []
    for number in range(count):
        kind, make = VALUES[number % len(VALUES)]
        value = make(rng)
        texts.append(PlantedText(rng.choice(CARRIERS).format(value), value, kind))
    return texts


def cut_at_random(text: str, rng: Random) -> list[str]:
    """Pieces of 1 to 12 characters."""
    pieces, at = [], 0
    while at < len(text):
        size = rng.randint(1, 12)
        pieces.append(text[at : at + size])
        at += size
    return pieces


def _digits(rng: Random, count: int) -> str:
    return "".join(rng.choices(string.digits, k=count))


def _word(rng: Random, least: int = 3, most: int = 9) -> str:
    return "".join(rng.choices(string.ascii_lowercase, k=rng.randint(least, most)))


def _email(rng: Random) -> str:
    local = rng.choice(("{}.{}", "{}_{}", "{}-{}", "{}+{}", "{}{}")).format(_word(rng), _word(rng))
    at = rng.choice(("@", "@", "@", "\uff20"))
    domain = f"{_word(rng)}.{rng.choice(('com', 'org', 'co.uk', 'de', 'example'))}"
    return f"{local}{at}{domain}"


def _phone(rng: Random) -> str:
    area, first, second = f"{rng.randint(2, 9)}{_digits(rng, 2)}", _digits(rng, 3), _digits(rng, 4)
    first = f"{rng.randint(2, 9)}{first[1:]}"
    shapes = (
        f"+49 {area} {first}{second}",
        f"+1-{area}-{first}-{second}",
        f"+44 (0){area} {first} {second}",
        f"0049{area}{first}{second}",
        f"0{area}/{first}{second}",
        f"({area}) {first}-{second}",
        f"{area}-{first}-{second}",
    )
    return rng.choice([each for each in shapes if len(set(each)) > 5] or shapes)


def _card(rng: Random) -> str:
    body = rng.choice(("4", "51", "55", "37", "6011"))
    body += _digits(rng, (14 if body == "37" else 15) - len(body))
    digits = next(body + last for last in string.digits if checksums.passes_luhn(body + last))
    between = rng.choice(("", " ", "-"))
    return between.join(digits[at : at + 4] for at in range(0, len(digits), 4))


def _iban(rng: Random) -> str:
    country, rest = rng.choice((("DE", 18), ("GB", 18), ("NL", 14), ("FR", 23), ("ES", 20)))
    account = _digits(rng, rest)
    if country in ("GB", "NL"):
        account = "".join(rng.choices(string.ascii_uppercase, k=4)) + account[4:]
    check = next(
        f"{number:02}"
        for number in range(2, 99)
        if checksums.passes_mod_97(f"{country}{number:02}{account}")
    )
    iban = f"{country}{check}{account}"
    return rng.choice((iban, " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))))


def _ipv4(rng: Random) -> str:
    return ".".join(str(rng.randint(10, 255)) for _ in range(4))


def _ipv6(rng: Random) -> str:
    groups = [f"{rng.randint(4096, 65535):x}" for _ in range(8)]
    return rng.choice((":".join(groups), f"{groups[0]}:{groups[1]}::{groups[2]}:{groups[3]}"))


def _credentials(rng: Random) -> str:
    scheme = rng.choice(("https", "postgres", "ftp"))
    return f"{scheme}://{_word(rng)}:{_word(rng, 8, 16)}@{_word(rng)}.example"


def _national(rng: Random) -> str:
    group, serial = rng.randint(1, 99), rng.randint(1, 9999)
    number = rng.randint(0, 99_999_999)
    return rng.choice(
        (
            f"{rng.randint(100, 599)}-{group:02}-{serial:04}",
            f"{number:08}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}",
            f"AB{_digits(rng, 6)}{rng.choice('ABCD')}",
        )
    )


def _secret(rng: Random) -> str:
    letters = string.ascii_letters + string.digits
    token = "".join(rng.choices(letters, k=36))
    return rng.choice(
        (
            f"sk-{token}",
            f"ghp_{token}",
            f"AKIA{''.join(rng.choices(string.ascii_uppercase + string.digits, k=16))}",
            f"password: {_word(rng)}{_digits(rng, 4)}",
            f"api_key={token}",
        )
    )


VALUES: tuple[tuple[str, Callable[[Random], str]], ...] = (
    ("email", _email),
    ("phone", _phone),
    ("card", _card),
    ("iban", _iban),
    ("ipv4", _ipv4),
    ("ipv6", _ipv6),
    ("url_credentials", _credentials),
    ("national_id", _national),
    ("secret", _secret),
)
