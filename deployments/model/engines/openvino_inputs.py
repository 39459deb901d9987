"""What openvino-genai takes for a sequence: tensors of its prompt and pictures, its settings."""

from typing import Any

from deployments.model.engines.ipc_messages import GenerateCommand, RawImage

REFUSALS = (RuntimeError, ValueError, TypeError, OverflowError)
_MOST_MIN_P = 1 - 2.0**-24  # the library takes no 1; this keeps the likeliest tokens only, too


def prompt_tensor(prompt: tuple[int, ...]) -> Any:
    import numpy as np
    import openvino

    return openvino.Tensor(np.array([prompt], dtype=np.int64))


def image_tensor(image: RawImage) -> Any:
    """Of shape [height, width, 3]."""
    import numpy as np
    import openvino

    pixels = np.frombuffer(image.pixels, np.uint8).reshape(image.height, image.width, 3)
    return openvino.Tensor(pixels.copy())


def generation_config(job: GenerateCommand) -> Any:
    """openvino-genai's settings for one sequence.

    Penalties count generated tokens only, as OpenAI's do. Raises one of `REFUSALS` for values that
    the library does not take.
    """
    import openvino_genai

    config = openvino_genai.GenerationConfig()
    config.max_new_tokens = job.max_tokens
    config.ignore_eos = not job.stop_ids  # it also disables stop_token_ids
    if job.stop_ids:
        config.set_eos_token_id(min(job.stop_ids))
        config.stop_token_ids = set(job.stop_ids)
    config.do_sample = job.temperature > 0
    if config.do_sample:
        config.temperature = job.temperature
        config.top_p = job.top_p
        config.rng_seed = job.seed
        if job.top_k:
            config.top_k = job.top_k
        if job.min_p:
            config.min_p = min(job.min_p, _MOST_MIN_P)
    config.presence_penalty = job.presence_penalty
    config.frequency_penalty = job.frequency_penalty
    config.repetition_penalty = job.repetition_penalty
    config.logprobs = int(job.logprobs)
    config.echo = job.prompt_logprobs
    if job.grammar:
        structure = openvino_genai.StructuredOutputConfig(grammar=job.grammar)
        config.structured_output_config = structure
    config.validate()
    return config
