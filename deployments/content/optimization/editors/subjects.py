"""What a text is about, in single words: for hashtags and for one emoji.

In: the words of a text. Out: its own words by weight; an emoji. No model: repeated and long words
first, stop words never.
"""

from collections import Counter
from collections.abc import Sequence

from deployments.text.segments import count_unsegmented

_STOP_WORDS = """
    about after again also always because been before being best both come could does doing down
    during each even every everyone everything find first from give going good great have having
    here hers into itself just know last like little look love made make many more most much must
    never next nothing once only open other ours over people please really right said same should
    show since some something soon still such sure take tell than thank thanks that their them
    then there these they thing things think this those three through time today together tomorrow
    under until upon used very want well went were what when where which while whom whose will
    with without would year years yesterday your yours already better days enough ever feel
    finally free full help keep long making maybe need part place read ready start stay story week
    weeks work working world write monday tuesday wednesday thursday friday saturday sunday
    morning evening night hear comments save subscribe follow
    small large big bigger nice cool happy easy ourselves yourself themselves establish inform
    present ask asked answer everywhere
    """
_STOP = frozenset(_STOP_WORDS.split())
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
_BEGINNING = 25  # words
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
