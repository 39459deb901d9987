"""What a text is about, in single words: for hashtags and for one emoji.

In: the words of a text. Out: its own words by weight; an emoji. No model: repeated and long words
first, stop words never.
"""

from collections import Counter
from collections.abc import Sequence

_STOP = frozenset(
    """about after again all also always and any are because been before being best both but can come
    could did does doing down during each even every everyone everything few find first for from get
    give going good great had has have having her here hers him his how into its itself just know
    last like little look love made make many may more most much must never new next not nothing now
    off once one only open other our ours out over own people please really right said same see she
    should show since some something soon still such sure take tell than thank thanks that the their
    them then there these they thing things think this those three through time today together
    tomorrow too two under until upon use used very want was way we well went were what when where
    which while who whom whose why will with without would year years yesterday yet you your yours
    about already better day days enough ever far feel finally free full help keep let long making
    maybe need part place read ready start stay story try week weeks work working world write
    monday tuesday wednesday thursday friday saturday sunday morning evening night don't it's i'm
    we're you're they're that's let's can't won't isn't doesn't didn't i've we've you've""".split()
)
_EMOJI = (
    ("☕", "coffee espresso latte cappuccino cafe brew brews barista roastery"),
    ("🍽️", "dinner menu restaurant lunch brunch food recipe kitchen chef dish taste"),
    ("🍞", "bread bakery bake baked sourdough pastry croissant cake"),
    ("🏃", "run running marathon race training runner workout fitness gym"),
    ("🧘", "yoga calm breath meditation wellness mindful"),
    ("🎵", "music song album concert band playlist tour guitar"),
    ("📚", "book books reading library author novel chapter"),
    ("✈️", "travel trip flight journey holiday vacation explore"),
    ("🌱", "garden plant plants grow green sustainable organic seed soil"),
    ("🐶", "dog dogs puppy pet pets"),
    ("🎨", "art paint painting design artist studio exhibition gallery colour color"),
    ("💻", "software code app developer data cloud release feature platform"),
    ("📸", "photo photos photography camera portrait"),
    ("🏠", "home house flat interior furniture renovation"),
    ("🚲", "bike bikes cycling ride bicycle"),
    ("🎁", "gift gifts sale discount offer voucher giveaway"),
    ("🎉", "launch anniversary birthday celebrate party opening award"),
    ("👥", "team hiring job jobs career colleagues remote meeting leadership"),
)
_BY_WORD = {word: emoji for emoji, subjects in _EMOJI for word in subjects.split()}
ANY = "✨"
_LEAST = 4  # letters


def subject_words(words: Sequence[str]) -> list[str]:
    """The words of a text that may name its subject, the likeliest first."""
    counts = Counter(word for word in words if len(word) >= _LEAST and word.isalpha())
    candidates = [word for word in counts if word not in _STOP]
    place = {word: at for at, word in enumerate(candidates)}
    return sorted(candidates, key=lambda word: (-counts[word], -min(len(word), 9), place[word]))


def emoji_for(words: Sequence[str]) -> str:
    """The one of the first word that has one; ANY where none has."""
    return next((_BY_WORD[word] for word in words if word in _BY_WORD), ANY)
