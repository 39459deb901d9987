"""lm-eval: generation and log likelihoods over /v1/completions."""

import os

from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI

from checks import KEY, MODEL, URL, check, run

os.environ.setdefault("OPENAI_API_KEY", KEY)


def _model() -> LocalCompletionsAPI:
    return LocalCompletionsAPI(
        model=MODEL,
        base_url=f"{URL}/completions",
        tokenizer_backend="none",
        tokenized_requests=False,
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


run()
