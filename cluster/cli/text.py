"""`mobula text`: analysis, summary, rewriting and translation of a text."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli.api import Json, Key, api, new_app, show, show_one
from cluster.cli.output import fail, print_plain

text = new_app("Texts: analysis, summary, rewriting, translation.")

Source = Annotated[str, typer.Argument(help="The text, @FILE, or - for standard input.")]
Language = Annotated[
    str | None, typer.Option("--language", "-l", help="ISO 639 code. [default: detected]")
]
Model = Annotated[str | None, typer.Option("--model", "-m", help="A text model, or a name of one.")]
MaxCharacters = Annotated[int | None, typer.Option(help="Of the answer.")]
ByModel = Annotated[bool, typer.Option("--by-model", help="Let a text model write.")]
COLUMNS = ("operation", "value", "confidence", "reasons", "spans")
_SHOWN = 8  # spans of an operation


@text.command()
def analyze(
    source: Source,
    operations: Annotated[
        str | None, typer.Option("--operations", "-o", help="By commas. [default: all]")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="By commas; for the operation classification.")
    ] = None,
    classifier: Annotated[
        str | None, typer.Option(help="One of the tenant's; for the operation classification.")
    ] = None,
    language: Language = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Say what a text is like: statistics, language, sentiment, keywords, personal data ..."""
    body: dict[str, Any] = {"text": read_source(source), "language": language}
    if operations is not None:
        body["operations"] = operations.split(",")
    options = _classification(labels, classifier)
    if options:
        body["options"] = {"classification": options}
        body.setdefault("operations", ["classification"])
    answer = _post("analyze", body, key)
    if as_json:
        show_one(answer, as_json)
        return
    show([_row(name, result) for name, result in answer["results"].items()], COLUMNS, False)


@text.command()
def summarize(
    source: Source,
    sentences: Annotated[int, typer.Option("--sentences", "-n")] = 3,
    by_model: ByModel = False,
    max_characters: MaxCharacters = None,
    model: Model = None,
    language: Language = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Print the sentences that stand for the whole, or a model's summary."""
    body = {
        "text": read_source(source),
        "method": "model" if by_model else "extractive",
        "sentences": sentences,
        "max_characters": max_characters,
        "model": model,
        "language": language,
    }
    _print(_post("summarize", body, key), as_json)


@text.command()
def rewrite(
    source: Source,
    instruction: Annotated[str, typer.Option("--instruction", "-i", help="What to change.")] = "",
    style: Annotated[str, typer.Option()] = "casual",
    tone: Annotated[str, typer.Option()] = "friendly",
    shorten: Annotated[
        bool, typer.Option("--shorten", help="Without a model: the most central sentences.")
    ] = False,
    max_characters: MaxCharacters = None,
    model: Model = None,
    language: Language = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Print the text as a model rewrites it, checked against the original."""
    body = {
        "text": read_source(source),
        "method": "extractive" if shorten else "model",
        "instruction": instruction,
        "style": style,
        "tone": tone,
        "max_characters": max_characters,
        "model": model,
        "language": language,
    }
    _print(_post("rewrite", body, key), as_json)


@text.command()
def translate(
    source: Source,
    to: Annotated[str, typer.Argument(help="ISO 639 code, as de or pt-BR.")],
    model: Model = None,
    language: Language = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Print a model's translation; the model that ships with Mobula does not translate."""
    body = {"text": read_source(source), "to": to, "model": model, "language": language}
    _print(_post("translate", body, key), as_json)


def _post(name: str, body: Mapping[str, Any], key: str | None) -> dict[str, Any]:
    given = {field: value for field, value in body.items() if value is not None}
    with api(key) as cluster:
        answer: dict[str, Any] = cluster.post("text", name, body=given)
    return answer


def read_source(source: str) -> str:
    """The text itself, or that of the file or the standard input that it names."""
    if source == "-":
        return sys.stdin.read()
    if not source.startswith("@"):
        return source
    try:
        return Path(source[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.Exit(fail(f"{source[1:]}: {error}")) from None


def _classification(labels: str | None, classifier: str | None) -> dict[str, Any]:
    if classifier is not None:
        return {"classifier": classifier}
    return {} if labels is None else {"labels": labels.split(",")}


def _row(name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    if not result["supported"]:
        reason = " ".join(filter(None, (result["reason"], result.get("install"))))
        return {"operation": name, "value": "not supported", "reasons": reason}
    found = [span["text"] for span in result["spans"][:_SHOWN]]
    return {"operation": name, **result, "reasons": " ".join(result["reasons"]), "spans": found}


def _print(answer: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        show_one(dict(answer), as_json)
        return
    fallback = answer["fallback"]
    if fallback is not None:
        print(fallback["reason"], file=sys.stderr)
    if answer["text"] is not None:
        print_plain(answer["text"])
