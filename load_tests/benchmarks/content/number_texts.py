"""Texts with numbers that are no personal data.

In: a random generator. Out: texts with dates, prices, scores, opening hours, order and article
numbers, versions, years, measures and links.
"""

from random import Random

_TEMPLATES = (
    "Join us on {day:02}.{month:02}.2026 at {hour}:30.",
    "The sale ends on 2026-{month:02}-{day:02}, up to {percent} % off.",
    "Now ${price}.99 instead of ${dear}.00!",
    "Open {hour}-{later}, Saturdays too.",
    "Order no. {order} has left our warehouse.",
    "We won {score}:{other}, after {other} to {score} last year.",
    "Version {score}.{other}.{percent} is out, with {percent} fixes.",
    "{thousands},{hundreds:03} people were there, thank you!",
    "Room {room}, floor {score}, from {hour} to {later} o'clock.",
    "Since 19{percent:02} we have baked {thousands}.{hundreds:03} loaves.",
    "Read more: https://example.com/posts/{order}?page={score}",
    "{percent}% of {dear} customers would come again (n = {hundreds}).",
    "Article {room}-{score}, {price} x {dear} cm, {hundreds} g",
    "Top {score} of {percent} in 20{month:02}/20{day:02}.",
    "Run {score}.{percent} km in 0:{day:02}:{month:02}.",
)


def number_texts(count: int, rng: Random) -> list[str]:
    """The templates in turn."""
    return [_text(rng, _TEMPLATES[number % len(_TEMPLATES)]) for number in range(count)]


def _text(rng: Random, template: str) -> str:
    hour = rng.randint(6, 14)
    return template.format(
        day=rng.randint(1, 28),
        month=rng.randint(1, 12),
        hour=hour,
        later=hour + rng.randint(2, 8),
        percent=rng.randint(5, 99),
        price=rng.randint(3, 99),
        dear=rng.randint(100, 999),
        order=rng.randint(10_000, 999_999),
        score=rng.randint(1, 9),
        other=rng.randint(0, 9),
        thousands=rng.randint(1, 99),
        hundreds=rng.randint(0, 999),
        room=rng.randint(100, 499),
    )
