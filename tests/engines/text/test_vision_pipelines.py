"""What openvino-genai's pipelines of models with a vision part are given: texts and pictures."""

from types import SimpleNamespace
from typing import Any

from deployments.model.engines.ipc_messages import GenerateCommand, RawImage
from deployments.model.engines.openvino_generation import GenerationWorker


class NotingPipeline:
    """Ends every sequence at once, with one token."""

    def __init__(self) -> None:
        self.added: list[tuple[Any, ...]] = []

    def get_tokenizer(self) -> Any:
        return SimpleNamespace(decode=lambda ids, skip_special_tokens: f"text of {ids}")

    def add_request(self, key: int, *rest: Any) -> Any:
        self.added.append(rest)
        reason = SimpleNamespace(name="LENGTH")
        output = SimpleNamespace(generated_ids=[5], generated_log_probs=[0.0], finish_reason=reason)
        return SimpleNamespace(can_read=lambda: True, read=lambda: {0: output})

    def has_non_finished_requests(self) -> bool:
        return False


def job(key: int, **changes: Any) -> GenerateCommand:
    plain = GenerateCommand(key, (1, 2), 1, frozenset(), 0.0, 1.0, 0, 0, 0.0, 0.0, False, 0.0)
    return plain._replace(**changes)


def test_pictures_go_beside_a_prompt_that_is_rendered_already() -> None:
    pipeline = NotingPipeline()
    worker = GenerationWorker(pipeline, 4, 640, takes_images=True)
    pixels = bytes(range(18))

    worker.submit(job(1, text="user: <image>what?", images=(RawImage(3, 2, pixels),)))
    [batch] = worker.turn()

    [(text, [tensor], config)] = pipeline.added
    assert (batch.ids, batch.end) == ((5,), "length")
    assert text == "user: <image>what?"
    assert list(tensor.shape) == [2, 3, 3]
    assert tensor.data.tobytes() == pixels
    assert not config.apply_chat_template


def test_a_prompt_without_pictures_becomes_text_again() -> None:
    pipeline = NotingPipeline()
    worker = GenerationWorker(pipeline, 4, 640, takes_images=True)

    worker.submit(job(1))
    worker.turn()

    [(text, images, _)] = pipeline.added
    assert (text, images) == ("text of [1, 2]", [])
