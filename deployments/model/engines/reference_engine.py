"""The reference that engines are compared with: transformers' plain `generate`, greedy.

In: one prompt's ids. Out: its continuation, and the log probability of every token.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any


class ReferenceEngine:
    """One model in float32 on the CPU. Blocking; for tests and benchmarks."""

    def __init__(self, folder: Path, threads: int = 1, like_fp16: bool = False) -> None:
        """`like_fp16` rounds the weights as an fp16 export does, for a comparison to the token."""
        import torch
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(threads)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self._model = model.half().float() if like_fp16 else model
        self._model.generation_config.eos_token_id = None
        self._model.eval()

    def generate(
        self, prompt: Sequence[int], max_tokens: int, stop_ids: Sequence[int] = ()
    ) -> list[int]:
        """The greedy continuation, stop token excluded."""
        import torch

        ids = torch.tensor([list(prompt)])
        with torch.inference_mode():
            out = self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=max_tokens,
                eos_token_id=list(stop_ids) or None,
                pad_token_id=0,
            )
        output: list[int] = out[0, len(prompt) :].tolist()
        return output[:-1] if output and output[-1] in stop_ids else output

    def log_probabilities(self, prompt: Sequence[int], generated: Sequence[int]) -> Any:
        """Natural logs, float32 [len(generated), vocabulary]: row i predicted token i."""
        import torch

        ids = torch.tensor([[*prompt, *generated]])
        with torch.inference_mode():
            logits = self._model(ids).logits[0, len(prompt) - 1 : -1]
        return torch.log_softmax(logits, dim=-1).numpy()
