"""What the ingress is told about how models scale."""

from graphs.args import AppArgs
from graphs.text import deployments, scaling

ARGS = AppArgs.model_validate(
    {
        "models": [
            {"id": "org/chat", "engine": "echo", "scaling": {"max_replicas": 3}},
            {"id": "fixed", "engine": "echo"},
        ],
        "embeddings": [{"id": "minilm", "scaling": {"min_replicas": 0}}],
    }
)


def test_every_model_has_the_name_of_its_deployment() -> None:
    assert deployments(ARGS) == {
        "org/chat": "Model:org-chat",
        "fixed": "Model:fixed",
        "minilm": "Model:minilm",
    }


def test_specs_are_told_of_those_that_scale() -> None:
    specs = scaling(ARGS)

    assert set(specs) == {"Model:org-chat", "Model:minilm"}
    assert specs["Model:org-chat"].max_replicas == 3
