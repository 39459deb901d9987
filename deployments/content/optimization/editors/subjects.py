"""What a text is about, in single words: for hashtags and for one emoji.

In: the words of a text. Out: its own words by weight; an emoji. No model: repeated and long words
first, stop words never.
"""

from collections import Counter
from collections.abc import Sequence

from deployments.text.segments import count_unsegmented
from deployments.text.stop_words import STOP_WORDS, WEAK_WORDS

# Words of sentences that the rules add, and others that name nothing.
_NO_SUBJECTS = """
    answer ask asked bigger bring cheap comments cool easy establish everywhere follow friday
    front happy inform large list local monday move moved news note number open opens present
    problem saturday save second short stay story subscribe sunday think thursday tuesday
    wednesday write
    """
_STOP = STOP_WORDS | WEAK_WORDS | frozenset(_NO_SUBJECTS.split())
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
_BEGINNING = 15  # words
_NO_NOUNS = ("ed", "ing", "ly")


def subject_words(words: Sequence[str]) -> list[str]:
    """The words of a text that may name its subject, the likeliest first: of those that are
    repeated, or near its beginning."""
    counts = Counter(word for word in words if len(word) >= _LEAST and word.isalpha())
    candidates = [
        word
        for word in counts
        if (counts[word] > 1 or word in words[:_BEGINNING])
        and word not in _STOP
        and not word.endswith(_NO_NOUNS)
        and not count_unsegmented(word)
    ]
    place = {word: at for at, word in enumerate(candidates)}
    return sorted(candidates, key=lambda word: (-counts[word], -min(len(word), 9), place[word]))


def emoji_for(words: Sequence[str]) -> str:
    """The one that most of the words have; ANY where none has one."""
    found = Counter(_BY_WORD[word] for word in words if word in _BY_WORD)
    return found.most_common(1)[0][0] if found else ANY
