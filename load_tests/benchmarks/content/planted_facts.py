"""Documents with planted facts, one a page, and questions about them.

In: a seed, numbers. Out: documents as pages of paragraphs, questions whose answer is one sentence,
and questions that nothing answers: about subjects that no document knows, and about what the
documents do not say of subjects that they know. Every fact has several ways to be asked for, of
which each question takes one; few repeat the words of the fact.
"""

from dataclasses import dataclass
from random import Random

_FIRST = [
    "Falcon",
    "Harbor",
    "Juniper",
    "Kestrel",
    "Larch",
    "Meridian",
    "Nimbus",
    "Orchard",
    "Pelican",
    "Quartz",
    "Raven",
    "Saffron",
    "Tundra",
    "Umber",
    "Violet",
    "Willow",
    "Xenon",
    "Yarrow",
    "Zephyr",
    "Amber",
    "Basalt",
    "Cobalt",
    "Drift",
    "Ember",
    "Fjord",
    "Garnet",
    "Heron",
    "Indigo",
    "Jasper",
    "Krill",
    "Lumen",
    "Marlin",
    "Nectar",
    "Onyx",
    "Prism",
    "Quill",
    "Ridge",
    "Sierra",
    "Topaz",
    "Vortex",
]
_SECOND = ["X200", "Mark-4", "One", "Pro", "Studio", "Lite", "Prime", "Series-9", "Max", "Plus"]
_PEOPLE = [
    "Ada Brandt",
    "Boris Calder",
    "Clara Dunne",
    "Dario Esposito",
    "Edith Farrow",
    "Felix Grant",
    "Greta Holm",
    "Hugo Ivers",
    "Irene Jansen",
    "Jonas Keller",
    "Karin Lund",
    "Leo Marsh",
    "Mira Novak",
    "Nils Olsen",
]
_TOWNS = [
    "Bergen",
    "Cork",
    "Ghent",
    "Graz",
    "Kiel",
    "Lyon",
    "Malmo",
    "Porto",
    "Riga",
    "Tartu",
    "Turin",
    "Utrecht",
    "Vigo",
    "Zagreb",
]
_COLORS = [
    "amber",
    "black",
    "copper",
    "cream",
    "crimson",
    "emerald",
    "ivory",
    "navy",
    "olive",
    "silver",
    "turquoise",
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]


@dataclass(frozen=True, slots=True)
class FactKind:
    """How one thing is said of a subject, and asked. `{s}` is the subject, `{v}` the value, one of
    `values`."""

    name: str
    facts: tuple[str, ...]
    questions: tuple[str, ...]
    values: tuple[str, ...]


def _numbers(*of: int) -> tuple[str, ...]:
    return tuple(map(str, of))


KINDS: tuple[FactKind, ...] = (
    FactKind(
        "warranty",
        (
            "The {s} comes with a warranty of {v} years.",
            "Buyers of the {s} have {v} years of warranty.",
        ),
        ("How long is the warranty of the {s}?", "For how many years is the {s} guaranteed?"),
        _numbers(2, 3, 5, 7, 10),
    ),
    FactKind(
        "weight",
        (
            "A complete {s} weighs {v} kilograms.",
            "Packed and ready, the {s} has a weight of {v} kg.",
        ),
        ("How heavy is the {s}?", "What does the {s} weigh?"),
        _numbers(4, 9, 14, 23, 31, 48),
    ),
    FactKind(
        "price",
        ("The {s} costs {v} euros before tax.", "The list price of the {s} is {v} euros."),
        ("What is the price of the {s}?", "How much does the {s} cost?"),
        _numbers(89, 240, 615, 1150, 2790),
    ),
    FactKind(
        "founder",
        (
            "The {s} was designed by {v} in a garage.",
            "{v} invented the {s} after two failed attempts.",
        ),
        ("Who designed the {s}?", "Who is the inventor of the {s}?"),
        tuple(_PEOPLE),
    ),
    FactKind(
        "factory",
        ("Every {s} is manufactured in {v}.", "The factory that builds the {s} stands in {v}."),
        ("Where is the {s} manufactured?", "In which town is the {s} built?"),
        tuple(_TOWNS),
    ),
    FactKind(
        "launch",
        ("Sales of the {s} began in {v}.", "The {s} was launched in {v}."),
        ("When was the {s} launched?", "In what year did sales of the {s} begin?"),
        _numbers(1998, 2004, 2011, 2016, 2021, 2023),
    ),
    FactKind(
        "battery",
        (
            "One charge keeps the {s} running for {v} hours.",
            "The battery of the {s} lasts {v} hours.",
        ),
        (
            "How long does the battery of the {s} last?",
            "How many hours does the {s} run on one charge?",
        ),
        _numbers(6, 11, 18, 26, 40),
    ),
    FactKind(
        "color",
        ("The {s} is sold in {v} only.", "The only color of the {s} is {v}."),
        ("What color is the {s}?", "In which color is the {s} sold?"),
        tuple(_COLORS),
    ),
    FactKind(
        "maintenance",
        (
            "The {s} has to be serviced every {v} months.",
            "Maintenance of the {s} is due every {v} months.",
        ),
        (
            "How often must the {s} be serviced?",
            "How many months are there between services of the {s}?",
        ),
        _numbers(3, 6, 9, 18),
    ),
    FactKind(
        "speed",
        (
            "The top speed of the {s} is {v} kilometers per hour.",
            "The {s} reaches {v} kilometers per hour.",
        ),
        ("How fast is the {s}?", "What is the top speed of the {s}?"),
        _numbers(25, 45, 70, 120),
    ),
    FactKind(
        "support",
        (
            "Questions about the {s} are answered on {v}s.",
            "The help desk for the {s} is open on {v}s.",
        ),
        ("On which day is the help desk for the {s} open?", "When can I ask about the {s}?"),
        tuple(_DAYS),
    ),
    FactKind(
        "temperature",
        (
            "The {s} works at temperatures of up to {v} degrees.",
            "Above {v} degrees the {s} turns itself off.",
        ),
        (
            "How hot may it get before the {s} turns off?",
            "Up to which temperature does the {s} work?",
        ),
        _numbers(35, 42, 55, 60),
    ),
)

_OPENERS = (
    "This page continues the overview of our range.",
    "The team met twice this quarter to go over open points.",
    "Customers asked for shorter manuals, and we listened.",
    "Our partners receive an update at the end of each season.",
    "What follows was checked by two people.",
    "Feedback from the field was mostly kind.",
)
_FILLERS = (
    "The {s} was shown at the spring fair, where many visitors stopped to look at it.",
    "Reviewers liked how quiet the {s} is, and how little space it takes in a workshop.",
    "A short video about the {s} is part of the training for new colleagues.",
    "Several schools have asked whether they may borrow a {s} for a project.",
    "The handbook of the {s} has been translated, and its pictures were drawn anew.",
    "Shipping takes longer in December, when warehouses are full and drivers are few.",
    "The next meeting is about packaging, which is to use less plastic than before.",
    "A survey among dealers showed that most of them prefer orders by telephone.",
    "Returns have gone down since the instructions are printed on the box.",
    "Nobody was hurt when a shelf in the old warehouse gave way last autumn.",
    "The canteen has a new menu, and the garden behind it is open to visitors.",
    "Interns will present their work to everybody at the end of the summer.",
)


@dataclass(frozen=True, slots=True)
class PlantedDocument:
    """Pages are lists of paragraphs; the first of a page is its heading."""

    name: str
    pages: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Without page breaks."""
        return "\n\n".join("\n\n".join((f"## {page[0]}", *page[1:])) for page in self.pages)


@dataclass(frozen=True, slots=True)
class PlantedQuestion:
    """`fact` is the sentence that answers it, `value` what it says; None: nothing does."""

    text: str
    fact: str | None = None
    value: str | None = None
    document: str | None = None


@dataclass(frozen=True, slots=True)
class PlantedCorpus:
    documents: tuple[PlantedDocument, ...]
    questions: tuple[PlantedQuestion, ...]


def plant_facts(
    seed: int, answerable: int = 200, unanswerable: int = 50, pages: int = 20, wording: int = 0
) -> PlantedCorpus:
    """Documents of `pages` pages, a fact on each. `wording` is which way of saying and asking is
    used (0 or 1), so that what is tuned on one is measured on the other."""
    random = Random(seed)
    names = [f"{first} {second}" for second in _SECOND for first in _FIRST]
    random.shuffle(names)
    known, unknown = names[: len(names) // 2], names[len(names) // 2 :]
    pairs = [(subject, kind) for subject in known for kind in KINDS]
    random.shuffle(pairs)
    planted, missing = pairs[:answerable], pairs[answerable:]
    questions: list[PlantedQuestion] = []
    page_texts: list[tuple[str, ...]] = []
    for subject, kind in planted:
        value = random.choice(kind.values)
        fact = kind.facts[wording].format(s=subject, v=value)
        page_texts.append(_page(random, subject, fact))
        asked = kind.questions[1 - wording].format(s=subject)
        questions.append(
            PlantedQuestion(asked, fact, value, f"doc{(len(page_texts) - 1) // pages}")
        )
    told = {subject for subject, _ in planted}
    unasked = [pair for pair in missing if pair[0] in told]
    for at in range(unanswerable):
        if at % 2:
            subject, kind = random.choice(unknown), random.choice(KINDS)
        else:
            subject, kind = unasked.pop()
        questions.append(PlantedQuestion(kind.questions[1 - wording].format(s=subject)))
    documents = tuple(
        PlantedDocument(f"doc{number}", tuple(page_texts[at : at + pages]))
        for number, at in enumerate(range(0, len(page_texts), pages))
    )
    return PlantedCorpus(documents, tuple(questions))


def _page(random: Random, subject: str, fact: str) -> tuple[str, ...]:
    sentences = random.sample(_FILLERS, 7)
    sentences.insert(random.randrange(1, 7), fact)
    said = [sentence.format(s=subject) for sentence in sentences]
    first = " ".join((random.choice(_OPENERS), *said[:4]))
    return (f"Notes on the {subject}", first, " ".join(said[4:]))
