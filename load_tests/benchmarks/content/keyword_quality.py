"""How many planted phrases are among the first five keywords: ours, rules, and YAKE.

In: posts with planted phrases. Out: recall of each method. A phrase counts where a keyword is the
same words. YAKE is under the LGPL: it runs in an environment of its own, by its defaults, and is
neither a part nor a dependency of Mobula.
"""

import json
import subprocess
from collections.abc import Sequence

from cluster.runtime.installation import working_folder
from deployments.text.keywords import KeywordFinder, find_candidates
from deployments.text.operation import AnalyzedText
from load_tests.benchmarks.common.environments import install_environment
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.content.planted_phrases import PlantedPost
from training.heads.embedding import LocalEmbedder

COUNT = 5  # keywords of a post
YAKE = "yake==0.7.3"
FOLDER = working_folder() / ".mobula" / "bench" / "yake"
_SCRIPT = """
import json, sys, yake
extractor = yake.KeywordExtractor(lan="en", n=3, top=int(sys.argv[1]))
found = map(extractor.extract_keywords, json.load(sys.stdin))
json.dump([[phrase for phrase, _ in phrases] for phrases in found], sys.stdout)
"""


def measure_keywords(
    embedder: LocalEmbedder, posts: Sequence[PlantedPost], *, with_yake: bool
) -> list[Measurement]:
    """Raises MissingRequirement where YAKE is wanted and cannot be installed."""
    texts = [post.text for post in posts]
    found = {
        "keywords": ("Mobula, planted phrases in the first five", keywords_of(embedder, texts)),
        "rules": ("rules, planted phrases in the first five", [_frequent(text) for text in texts]),
    }
    if with_yake:
        found["yake"] = ("YAKE, planted phrases in the first five", _yake(texts))
    return [
        Measurement(
            "keywords",
            title,
            round(recall(posts, phrases), 3),
            at_least=0.95 if method == "keywords" else None,
        )
        for method, (title, phrases) in found.items()
    ]


def recall(posts: Sequence[PlantedPost], found: Sequence[Sequence[str]]) -> float:
    """The part of the planted phrases that were found."""
    planted = sum(len(post.phrases) for post in posts)
    hits = sum(
        len(_folded(post.phrases) & _folded(phrases))
        for post, phrases in zip(posts, found, strict=True)
    )
    return hits / planted


def keywords_of(embedder: LocalEmbedder, texts: Sequence[str]) -> list[list[str]]:
    finder = KeywordFinder()
    options = {"count": COUNT}
    found = []
    for text in texts:
        analyzed = AnalyzedText(text, "en")
        vectors = embedder.embed_all(finder.strings_to_embed(analyzed, options))
        result = finder.analyze(analyzed, options, vectors)
        found.append([keyword["text"] for keyword in result.value or ()])
    return found


def _frequent(text: str) -> list[str]:
    """The most frequent phrases, then the longest, then the first: no model."""
    ordered = sorted(
        enumerate(find_candidates(AnalyzedText(text))),
        key=lambda each: (-len(each[1].places), -len(each[1].words), each[0]),
    )
    return [candidate.phrase for _, candidate in ordered[:COUNT]]


def _yake(texts: Sequence[str]) -> list[list[str]]:
    python = FOLDER / "bin" / "python"
    if not python.exists():
        install_environment(FOLDER, (YAKE,))
    command = [str(python), "-c", _SCRIPT, str(COUNT)]
    run = subprocess.run(
        command, input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    phrases: list[list[str]] = json.loads(run.stdout)
    return phrases


def _folded(phrases: Sequence[str]) -> set[str]:
    return {" ".join(phrase.casefold().split()) for phrase in phrases}
