"""What an encoder model says about itself.

In: a loaded model of sentence-transformers or transformers, or the JSON beside a converted one.
Out: `EncoderFacts`.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Task = Literal["embedding", "classification"]

FACTS_NAME = "encoder.json"
_DEFAULT_LENGTH = 512
_UNBOUNDED = 1_000_000  # of a tokenizer that states no length


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """`outputs` is the number of dimensions or labels, `inputs` names the model's tensors.

    `prompts` are texts that the model wants before others, by name; `default_prompt` is put before
    a text without a named one. `pools_prompt` false: tokens of prompts are left out of the vector.
    `labels` and `multi_label` are of classifiers: whether several labels may be true of one text.
    """

    max_tokens: int
    outputs: int
    inputs: tuple[str, ...]
    pad_id: int = 0
    lowercase: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str = ""
    pools_prompt: bool = True
    labels: tuple[str, ...] = ()
    multi_label: bool = False

    def save(self, folder: Path) -> None:
        (folder / FACTS_NAME).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "EncoderFacts":
        """Raises OSError, ValueError or TypeError where they were not written by `save`."""
        found = json.loads((folder / FACTS_NAME).read_text(encoding="utf-8"))
        for name in ("inputs", "labels"):
            found[name] = tuple(found[name])
        return cls(**found)


def embedding_facts(model: Any) -> EncoderFacts:
    """Of a SentenceTransformer. Raises ValueError if its first module reads no token ids."""
    first = model[0]
    if not hasattr(first, "auto_model"):
        raise ValueError(f"its first module is {type(first).__name__}, not a transformer")
    tokenizer = model.tokenizer
    default = model.default_prompt_name or ""
    return EncoderFacts(
        max_tokens=int(model.get_max_seq_length() or _DEFAULT_LENGTH),
        outputs=int(model.get_embedding_dimension()),
        inputs=_inputs(tokenizer, first.auto_model),
        pad_id=int(tokenizer.pad_token_id or 0),
        lowercase=bool(getattr(first, "do_lower_case", False)),
        prompts={str(name): str(text) for name, text in model.prompts.items() if text},
        default_prompt=str(model.prompts.get(default, "") or ""),
        pools_prompt=all(getattr(module, "include_prompt", True) for module in model),
    )


def classification_facts(model: Any, tokenizer: Any) -> EncoderFacts:
    """Of a sequence classification model of transformers."""
    config = model.config
    positions = int(getattr(config, "max_position_embeddings", _DEFAULT_LENGTH))
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):
        positions -= int(config.pad_token_id) + 1  # their positions begin after that of padding
    stated = int(tokenizer.model_max_length)
    labels = tuple(str(config.id2label[at]) for at in range(config.num_labels))
    return EncoderFacts(
        max_tokens=min(positions, stated) if stated < _UNBOUNDED else positions,
        outputs=int(config.num_labels),
        inputs=_inputs(tokenizer, model),
        pad_id=int(tokenizer.pad_token_id or 0),
        labels=labels,
        multi_label=config.problem_type == "multi_label_classification",
    )


def _inputs(tokenizer: Any, model: Any) -> tuple[str, ...]:
    """Of the tensors that a tokenizer makes, those that the model takes."""
    import inspect

    taken = inspect.signature(model.forward).parameters
    known = ("input_ids", "attention_mask", "token_type_ids")
    return tuple(name for name in known if name in tokenizer.model_input_names and name in taken)
