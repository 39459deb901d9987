"""Posts with planted codes and names, and searches of three kinds for them, judged by nDCG@10.

    code        a code or a name that one post has, among words that many have
    paraphrase  what posts of one subject say, in words that they do not have
    mixed       words of a subject and the code of one of its posts

Normalised discounted cumulative gain: Järvelin and Kekäläinen, 2002.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

KINDS = ("code", "paraphrase", "mixed")
POSTS_OF_A_SUBJECT = 20
# Of each subject: sentences of its posts, a search in other words, words for mixed searches.
SUBJECTS: tuple[tuple[tuple[str, str, str], str, str], ...] = (
    (("Our espresso beans are roasted every morning.", "A latte tastes better with fresh coffee.",
      "Grind the coffee right before you brew it."), "hot caffeinated drinks", "coffee"),
    (("The puppy learned to fetch its ball.", "Dogs need a walk twice a day.",
      "Our kennel has room for your hound."), "canine pets and their exercise", "dogs"),
    (("The bank raised its mortgage rates.", "A loan for your first house.",
      "Compare interest before you borrow."), "financing the purchase of a home", "loan"),
    (("The striker scored in the last minute.", "Our goalkeeper saved two penalties.",
      "The football season starts on Saturday."), "soccer match results", "football"),
    (("Snow closed the mountain road.", "A storm brings ice and frost tonight.",
      "Wear a warm coat this winter."), "cold weather conditions", "snow"),
    (("The airline added flights to Lisbon.", "Check in two hours before departure.",
      "Pilots landed the jet in thick fog."), "travelling by plane", "flights"),
    (("The dentist cleaned my teeth.", "Brush twice a day to avoid cavities.",
      "A filling takes half an hour."), "oral health care", "teeth"),
    (("The violinist tuned her strings.", "The orchestra plays Brahms tonight.",
      "Tickets for the symphony are on sale."), "classical music concert", "orchestra"),
    (("Tomatoes need six hours of sun.", "Water the seedlings in the evening.",
      "Compost makes the soil rich."), "growing vegetables in the garden", "seedlings"),
    (("The laptop has a faster processor.", "Install the driver and restart.",
      "The keyboard is backlit."), "portable computer hardware", "laptop"),
    (("The court heard the appeal.", "Her lawyer filed a motion.",
      "The judge read the verdict."), "legal proceedings", "lawyer"),
    (("The novel won a prize.", "The author signs her book on Friday.",
      "A thrilling last chapter."), "literature and reading", "novel"),
    (("The electric car charges overnight.", "Its engine needs new oil.",
      "Rotate the tyres every spring."), "vehicle maintenance and driving", "car"),
    (("The yoga class begins at seven.", "Stretch before you lift weights.",
      "Our gym opened a second floor."), "physical fitness training", "gym"),
    (("The bride wore a silk dress.", "Send the wedding invitations early.",
      "The groom danced all night."), "getting married", "wedding"),
    (("The nurse took his blood pressure.", "The surgeon explained the operation.",
      "Visit the ward from two to four."), "hospital treatment of patients", "nurse"),
    (("The recipe needs two eggs and flour.", "Bake the cake for an hour.",
      "Whisk the cream until it is stiff."), "making desserts in the kitchen", "cake"),
    (("The telescope shows the rings of Saturn.", "A comet passes in May.",
      "Astronauts repaired the station."), "outer space exploration", "telescope"),
    (("The teacher marked the exams.", "Pupils return to class on Monday.",
      "Homework is due tomorrow."), "education of children", "homework"),
    (("The trawler came home with cod.", "Salmon swim up the river.",
      "Bait the hook with a worm."), "catching sea creatures", "salmon"),
)  # fmt: skip
_FIRST = ("Ada", "Bram", "Cleo", "Dario", "Edda", "Femi", "Goran", "Hedda", "Ivo", "Jana")
_LAST = ("Okafor", "Lindqvist", "Moreau", "Tanaka", "Novak", "Herrera", "Quist", "Zielinski")


@dataclass(frozen=True, slots=True)
class MixedSearch:
    """`relevant` has the places of posts, and what each is worth."""

    kind: str
    text: str
    relevant: dict[int, float]


def make_posts(seed: int = 1) -> list[str]:
    """400, of 20 subjects; each has a code, and a name."""
    dice, posts = Random(seed), []
    for number in range(len(SUBJECTS) * POSTS_OF_A_SUBJECT):
        sentences = SUBJECTS[number // POSTS_OF_A_SUBJECT][0]
        told = " ".join(dice.sample(sentences, 2))
        posts.append(f"{told} Reference {code(number)}, contact {name(number)}.")
    return posts


def make_searches(seed: int = 2) -> list[MixedSearch]:
    """100 for codes and names, 20 paraphrases, 60 mixed ones."""
    dice, count = Random(seed), len(SUBJECTS) * POSTS_OF_A_SUBJECT
    searches = []
    for at, number in enumerate(dice.sample(range(count), 100)):
        text = f"reference {code(number)}" if at % 2 else f"contact {name(number)}"
        same = [each for each in range(count) if at % 2 == 0 and name(each) == name(number)]
        searches.append(MixedSearch("code", text, dict.fromkeys(same or [number], 1.0)))
    for at, (_, paraphrase, _) in enumerate(SUBJECTS):
        mine = range(at * POSTS_OF_A_SUBJECT, (at + 1) * POSTS_OF_A_SUBJECT)
        searches.append(MixedSearch("paraphrase", paraphrase, dict.fromkeys(mine, 1.0)))
    for number in dice.sample(range(count), 60):
        words = SUBJECTS[number // POSTS_OF_A_SUBJECT][2]
        searches.append(MixedSearch("mixed", f"{words} {code(number)}", {number: 1.0}))
    return searches


def code(number: int) -> str:
    return f"{'KQXZ'[number % 4]}{'BDFH'[number // 4 % 4]}-{1_000 + 37 * number}"


def name(number: int) -> str:
    """One of 80."""
    return f"{_FIRST[number % 10]} {_LAST[number // 10 % 8]}"


def ndcg(found: Sequence[int], relevant: dict[int, float], depth: int = 10) -> float:
    gains = [relevant.get(post, 0.0) for post in found[:depth]]
    ideal = sorted(relevant.values(), reverse=True)[:depth]
    return _discounted(gains) / _discounted(ideal)


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))
