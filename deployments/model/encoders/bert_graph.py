"""BERT embedding models as an OpenVINO graph, built from their files without torch.

In: the folder of a sentence-transformers model. Out: the graph and the facts, or None for a model
of another kind, which `conversion.py` traces. Building takes well under a second, where tracing
imports torch: a first start needs no conversion.

The encoder is that of Devlin et al., "BERT" (NAACL 2019), with the parameters' names and the order
of layer norms of Hugging Face's `BertModel`; pooling and normalisation are those of
sentence-transformers (Reimers and Gurevych, EMNLP 2019).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.model.encoders.facts import EncoderFacts

Weights = dict[str, NDArray[Any]]

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_POOLING = "pooling_mode_"
_MASKED = -1e9  # added to the scores of padding


def build_bert(folder: Path) -> tuple[Any, EncoderFacts] | None:
    """Raises OSError or ValueError for files that are damaged."""
    config = _read(folder / "config.json")
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
    weights = folder / "model.safetensors"
    if kinds[:2] != ["Transformer", "Pooling"] or kinds[2:] not in ([], ["Normalize"]):
        return None
    if modules[0].get("path") or not _is_plain_bert(config) or not weights.exists():
        return None
    pooling = _pooling(_read(folder / str(modules[1]["path"]) / "config.json"))
    if pooling is None:
        return None
    graph = _BertGraph(config, _load(weights))
    try:
        built = graph.build(pooling, normalize=len(kinds) == 3)
    except KeyError:  # of weights that have other names
        return None
    return built, _facts(folder, config)


def _is_plain_bert(config: dict[str, Any]) -> bool:
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
    )


def _pooling(config: dict[str, Any]) -> str | None:
    """`mean` or `cls`, where that is all of it."""
    if not config.get("include_prompt", True):
        return None
    if "pooling_mode" in config:
        found: Any = config["pooling_mode"]
        modes = [found] if isinstance(found, str) else list(found)
    else:
        on = [name for name, chosen in config.items() if chosen is True]
        modes = [name[len(_POOLING) :] for name in on if name.startswith(_POOLING)]
        modes = [name.removesuffix("_tokens").removesuffix("_token") for name in modes]
    return modes[0] if modes in (["mean"], ["cls"]) else None


def _load(path: Path) -> Weights:
    """In float32, without the prefix of a model that has a head."""
    from safetensors.numpy import load_file

    tensors = load_file(path)
    return {name.removeprefix("bert."): np.asarray(w, np.float32) for name, w in tensors.items()}


def _facts(folder: Path, config: dict[str, Any]) -> EncoderFacts:
    sentence = _read(folder / "sentence_bert_config.json")
    named = _read(folder / "config_sentence_transformers.json")
    tokenizer = _read(folder / "tokenizer_config.json")
    positions = int(config["max_position_embeddings"])
    stated = sentence.get("max_seq_length") or tokenizer.get("model_max_length") or positions
    prompts = {name: text for name, text in (named.get("prompts") or {}).items() if text}
    return EncoderFacts(
        max_tokens=min(positions, int(stated)),
        outputs=int(config["hidden_size"]),
        inputs=_INPUTS,
        pad_id=int(config.get("pad_token_id") or 0),
        lowercase=bool(sentence.get("do_lower_case", False)),
        prompts=prompts,
        default_prompt=str(prompts.get(named.get("default_prompt_name") or "", "")),
    )


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


class _BertGraph:
    """Takes weights by their names in the file."""

    def __init__(self, config: dict[str, Any], weights: Weights) -> None:
        import openvino
        from openvino import opset13

        self._model, self._shape = openvino.Model, openvino.PartialShape([-1, -1])
        self._op = opset13
        self._config = config
        self._weights = weights
        self._hidden = int(config["hidden_size"])
        self._heads = int(config["num_attention_heads"])

    def build(self, pooling: str, *, normalize: bool) -> Any:
        op = self._op
        inputs = [op.parameter(self._shape, np.int64, name=name) for name in _INPUTS]
        ids, mask, types = inputs
        present = op.convert(mask, "f32")
        padding = op.multiply(op.subtract(self._number(1.0), present), self._number(_MASKED))
        padding = op.unsqueeze(padding, self._axes(1, 2))
        states = self._embed(ids, types)
        for layer in range(int(self._config["num_hidden_layers"])):
            states = self._layer(states, padding, f"encoder.layer.{layer}.")
        vectors = self._pool(states, present, pooling)
        if normalize:
            length = op.reduce_l2(vectors, self._axes(1), keep_dims=True)
            vectors = op.divide(vectors, op.maximum(length, self._number(1e-12)))
        return self._model([op.result(vectors)], inputs, "bert")

    def _embed(self, ids: Any, types: Any) -> Any:
        op, zero = self._op, self._integer(0)
        size = op.gather(op.shape_of(ids), self._integer(1), zero)
        places = op.range(zero, size, self._integer(1), "i64")
        parts = {"word": ids, "token_type": types, "position": places}
        words, kinds, positions = (
            op.gather(self._weight(f"embeddings.{name}_embeddings.weight"), at, zero)
            for name, at in parts.items()
        )
        return self._norm(op.add(op.add(words, kinds), positions), "embeddings.LayerNorm")

    def _layer(self, states: Any, padding: Any, prefix: str) -> Any:
        op = self._op
        attended = self._attend(states, padding, prefix + "attention.")
        states = self._norm(op.add(attended, states), prefix + "attention.output.LayerNorm")
        inner = op.gelu(self._dense(states, prefix + "intermediate.dense"), "erf")
        outer = self._dense(inner, prefix + "output.dense")
        return self._norm(op.add(outer, states), prefix + "output.LayerNorm")

    def _attend(self, states: Any, padding: Any, prefix: str) -> Any:
        op = self._op
        split = self._axes(0, 0, self._heads, self._hidden // self._heads)
        query, key, value = (
            op.transpose(
                op.reshape(self._dense(states, f"{prefix}self.{name}"), split, special_zero=True),
                self._axes(0, 2, 1, 3),
            )
            for name in ("query", "key", "value")
        )
        found = op.scaled_dot_product_attention(query, key, value, padding)
        joined = op.reshape(
            op.transpose(found, self._axes(0, 2, 1, 3)),
            self._axes(0, 0, self._hidden),
            special_zero=True,
        )
        return self._dense(joined, prefix + "output.dense")

    def _pool(self, states: Any, present: Any, pooling: str) -> Any:
        op = self._op
        if pooling == "cls":
            return op.gather(states, self._integer(0), self._integer(1))
        weights = op.unsqueeze(present, self._axes(2))
        total = op.reduce_sum(op.multiply(states, weights), self._axes(1), keep_dims=False)
        count = op.reduce_sum(weights, self._axes(1), keep_dims=False)
        return op.divide(total, op.maximum(count, self._number(1e-9)))

    def _dense(self, states: Any, name: str) -> Any:
        op = self._op
        product = op.matmul(states, self._weight(f"{name}.weight"), False, True)
        return op.add(product, self._weight(f"{name}.bias"))

    def _norm(self, states: Any, name: str) -> Any:
        op, epsilon = self._op, float(self._config.get("layer_norm_eps", 1e-12))
        even = op.mvn(states, self._axes(-1), True, epsilon, "inside_sqrt")
        scaled = op.multiply(even, self._weight(f"{name}.weight"))
        return op.add(scaled, self._weight(f"{name}.bias"))

    def _weight(self, name: str) -> Any:
        return self._op.constant(self._weights[name])

    def _number(self, value: float) -> Any:
        return self._op.constant(np.float32(value))

    def _integer(self, value: int) -> Any:
        return self._op.constant(np.int64(value))

    def _axes(self, *values: int) -> Any:
        return self._op.constant(np.array(values, dtype=np.int64))
