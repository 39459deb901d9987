"""lm-eval: generation and log likelihoods over /v1/completions."""

import os
from pathlib import Path

from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI

from checks import KEY, MODEL, URL, check, run

NANO = Path(__file__).parents[3] / "deployments" / "model" / "nano"
os.environ.setdefault("OPENAI_API_KEY", KEY)
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def _model(
    name: str = MODEL, tokenizer: Path | None = None, *, sends_ids: bool = False
) -> LocalCompletionsAPI:
    return LocalCompletionsAPI(
        model=name,
        base_url=f"{URL}/completions",
        tokenizer_backend="none" if tokenizer is None else "huggingface",
        tokenizer=None if tokenizer is None else str(tokenizer),
        tokenized_requests=sends_ids,
        max_length=512,
        num_concurrent=1,
        max_retries=1,
    )


def _requests(kind: str, *arguments: tuple[object, ...]) -> list[Instance]:
    return [
        Instance(request_type=kind, doc={}, arguments=each, idx=index)
        for index, each in enumerate(arguments)
    ]


@check
def generate_until() -> None:
    request = _requests("generate_until", ("Good coffee is", {"until": ["."], "max_gen_toks": 8}))
    assert len(_model().generate_until(request)) == 1


@check
def log_likelihoods() -> None:
    """Of the engine that has alternatives: they say whether a text is the likeliest one."""
    pairs = [("Good coffee is", " a small joy"), ("Good coffee is", " zebra quantum")]
    requests = _requests("loglikelihood", *pairs)
    by_text = _model("torch", NANO).loglikelihood(requests)
    by_ids = _model("torch", NANO, sends_ids=True).loglikelihood(requests)
    assert by_text[0][0] > by_text[1][0]
    assert [round(each[0], 2) for each in by_text] == [round(each[0], 2) for each in by_ids]


run()
