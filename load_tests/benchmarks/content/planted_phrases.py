"""Posts in which known phrases are planted, by the nouns of the grammar (training/grammar).

In: a seed. Out: posts with the phrases that they are about, and the subject that these belong to.
The posts are made from templates: they rank methods, and say little about real posts.
"""

from dataclasses import dataclass
from random import Random

from training.grammar.banks import SENTENCES, WORDS

CLASSES = {
    "food": "food, restaurants and drinks",
    "fitness": "sports, fitness and exercise",
    "tech": "software, apps and technology",
    "travel": "travel, hotels and trips",
    "fashion": "fashion, clothes and beauty",
    "art": "art, music, books and culture",
    "business": "business, jobs and careers at work",
    "community": "neighbours, volunteers and local community",
}
_CARRIERS = (
    "Our {} is back on Friday.",
    "Everyone asked about the {}, so here it is.",
    "We have been working on the {} for months.",
    "Come and see the {} with your own eyes.",
    "What do you think of our new {}?",
    "Nothing makes us happier than a good {}.",
    "The {} was full again yesterday, thank you all.",
    "Tell a friend about the {}.",
    "Here is a first look at the {}.",
    "Only a few places are left for the {}.",
    "There is more to the {} than you may think.",
    "This week is all about the {}.",
)
_TONES = tuple(sentence for tone in SENTENCES.tones.values() for sentence in tone)


@dataclass(frozen=True, slots=True)
class PlantedPost:
    """`phrases` stand in `text` word for word; all are of `subject`, one of CLASSES."""

    text: str
    phrases: tuple[str, ...]
    subject: str


def planted_posts(count: int, seed: int) -> list[PlantedPost]:
    """The subjects in turn; two or three phrases in each post, among sentences about nothing."""
    rng = Random(seed)
    subjects = list(CLASSES)
    return [_post(rng, subjects[number % len(subjects)]) for number in range(count)]


def _post(rng: Random, subject: str) -> PlantedPost:
    phrases = tuple(rng.sample(WORDS.nouns[subject], rng.choice((2, 2, 3))))
    carriers = rng.sample(_CARRIERS, len(phrases))
    sentences = [carrier.format(phrase) for carrier, phrase in zip(carriers, phrases, strict=True)]
    sentences += rng.sample(_TONES, rng.choice((1, 2, 2, 3)))
    rng.shuffle(sentences)
    return PlantedPost(" ".join(sentences), phrases, subject)
