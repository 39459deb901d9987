"""`./mobula bench content documents`: how well documents are read, and how well they answer.

    ./mobula bench content documents [--part reading,answers] [--pages N] [--documents N]
                                     [--without-markitdown] [--questions N] [--vectors-by-words]
                                     [--json FILE] [--check]

`reading` reads documents whose words are known, in every format, beside MarkItDown (which pip
installs in an environment of its own), and documents that are bad in every way.
`answers` plants facts in documents, one a page, asks for each in other words, and asks questions
that nothing answers; sentences answer, and a text model that lies now and then. It runs in one
process over a store of its own; vectors are those of the model that ships with Mobula.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cluster.runtime.settings import Settings
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.machine import describe_machine

PARTS = ("reading", "answers")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    console = Console()
    measurements: list[Measurement] = []
    if "reading" in options.part:
        measurements += _measure_reading(options, console)
    if "answers" in options.part:
        measurements += _measure_answers(options, console)
    console.print(build_table(measurements))
    report = {
        "benchmark": "documents",
        "machine": describe_machine(),
        "conditions": {
            "parts": options.part,
            "pages": options.pages,
            "documents": options.documents,
            "questions": options.questions,
        },
        "measurements": [measurement.to_dict() for measurement in measurements],
    }
    return finish_benchmark(report, all_met(measurements), options)


def _measure_reading(options: argparse.Namespace, console: Console) -> list[Measurement]:
    from load_tests.benchmarks.content.reading_quality import ReadingOptions, measure_reading

    reading = ReadingOptions(options.pages, options.documents, not options.without_markitdown)
    return asyncio.run(measure_reading(reading, console.print))


def _measure_answers(options: argparse.Namespace, console: Console) -> list[Measurement]:
    from load_tests.benchmarks.content.answer_quality import AnswerOptions, measure_answers
    from load_tests.benchmarks.content.document_application import WordVectors
    from training.heads.embedding import LocalEmbedder

    vectors = WordVectors() if options.vectors_by_words else LocalEmbedder(Settings().home)
    asked = AnswerOptions(options.questions, max(2, options.questions // 4))
    return asyncio.run(measure_answers(asked, vectors, console.print))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mobula bench content documents", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--part", type=_parts, default=list(PARTS), help="reading, answers; several with commas"
    )
    parser.add_argument("--pages", type=int, default=20, help="of a document of each format")
    parser.add_argument("--documents", type=int, default=1_000, help="read for the memory")
    parser.add_argument("--without-markitdown", action="store_true", help="ours alone")
    parser.add_argument(
        "--questions", type=int, default=200, help="of each wording; a quarter more have no answer"
    )
    parser.add_argument(
        "--vectors-by-words", action="store_true", help="no embedding model: to see that it works"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(arguments)


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    if not set(parts) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"parts are {', '.join(PARTS)}")
    return parts


if __name__ == "__main__":
    sys.exit(main())
