"""Small models with random weights, in the files that real ones have."""

import json
from pathlib import Path
from typing import Any

WORDS = ("red", "green", "tea", "leaves", "stones", "knife", "find", "text", "ask", ":", ".")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def _bert(folder: Path, **config: Any) -> Any:
    """Writes a tokenizer of `WORDS`; returns the configuration of a BERT for it."""
    import torch
    from transformers import BertConfig, BertTokenizer

    torch.manual_seed(7)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join((*SPECIAL, *WORDS)))
    tokenizer = BertTokenizer(str(vocabulary), model_max_length=16)
    tokenizer.save_pretrained(folder)
    return BertConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
        **config,
    )


def make_embedder(
    folder: Path,
    *,
    prompts: dict[str, str] | None = None,
    include_prompt: bool = True,
    pooling: str = "mean_tokens",
    normalize: bool = False,
    **config: Any,
) -> Path:
    """A sentence-transformers model."""
    from transformers import BertModel

    BertModel(_bert(folder, **config)).save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    settings = {
        "word_embedding_dimension": 16,
        "pooling_mode_mean_tokens": False,
        f"pooling_mode_{pooling}": True,
        "include_prompt": include_prompt,
    }
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings))
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (path, kind) in enumerate(list(kinds.items())[: 3 if normalize else 2])
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 16}')
    named = {"prompts": prompts or {}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(named))
    return folder


def make_classifier(folder: Path, *labels: str, multi_label: bool = False) -> Path:
    """A sequence classification model of transformers."""
    from transformers import BertForSequenceClassification

    config = _bert(
        folder,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: at for at, label in enumerate(labels)},
        problem_type="multi_label_classification" if multi_label else None,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder
