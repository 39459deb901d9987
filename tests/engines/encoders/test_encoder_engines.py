"""One contract for all engines of encoder models: torch is the reference."""

from pathlib import Path

import numpy as np
import pytest

from deployments.model.embeddings.embedder import SentenceEncoder, load_sentence_encoder
from deployments.model.embeddings.spec import EmbeddingSpec
from deployments.model.encoders import conversion, engines
from deployments.model.encoders.bert_graph import build_bert
from deployments.model.encoders.conversion import ConversionFailed, find_ir
from deployments.model.encoders.encoder import EncoderOptions
from deployments.model.encoders.engines import load_encoder, resolve_encoder_engine
from deployments.model.encoders.torch_encoder import embedding_module
from deployments.model.model_files import ModelFiles
from tests.engines.encoders.small_models import make_embedder

TEXTS = (
    "coffee",
    "A rooftop coffee bar opens on Friday, with live music until midnight.",
    "Kaffee auf dem Dach ☕️ – ab Freitag!",
    "屋上のコーヒーバー",
    "word " * 200,
)


def load(home: Path, **spec: object) -> SentenceEncoder:
    return load_sentence_encoder(EmbeddingSpec.model_validate({"id": "m", **spec}), home)[0]


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompted")
    return make_embedder(folder, prompts={"query": "find: ", "document": "text: "})


@pytest.fixture(scope="module")
def pooled_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pooled-out")
    return make_embedder(folder, prompts={"query": "find: "}, include_prompt=False)


def test_engines_agree(home: Path) -> None:
    converted, reference = load(home, engine="openvino"), load(home, engine="torch")

    for texts in (TEXTS, TEXTS[:1], TEXTS[1:3]):
        sequences = reference.tokenize(texts, ())
        assert [s.ids for s in converted.tokenize(texts, ())] == [s.ids for s in sequences]
        np.testing.assert_allclose(
            converted.encode(sequences), reference.encode(sequences), atol=1e-3
        )


def test_the_tokens_are_those_of_sentence_transformers(home: Path) -> None:
    from sentence_transformers import SentenceTransformer

    from deployments.model.embeddings.model_files import find_embedding_model

    folder = find_embedding_model(EmbeddingSpec(id="m")).folder
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    own = load(home, engine="openvino")

    expected = model.encode(list(TEXTS), batch_size=len(TEXTS))
    np.testing.assert_allclose(own.encode(own.tokenize(TEXTS, ())), expected, atol=1e-3)


KINDS = {
    "mean": {},
    "cls": {"pooling": "cls_token"},
    "normalized": {"normalize": True},
    "max": {"pooling": "max_tokens"},  # this one and the next are traced
    "relu": {"hidden_act": "relu"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_engines_agree_on_models_of_any_kind(kind: str, home: Path, tmp_path: Path) -> None:
    source = str(make_embedder(tmp_path, **KINDS[kind]))
    converted = load(home, source=source, engine="openvino")
    reference = load(home, source=source, engine="torch")
    sequences = reference.tokenize(["red tea .", "knife", "green leaves : stones tea"], ())

    np.testing.assert_allclose(converted.encode(sequences), reference.encode(sequences), atol=1e-4)
    assert (converted.max_tokens, converted.dimensions) == (
        reference.max_tokens, reference.dimensions,
    )  # fmt: skip


def test_what_is_built_says_the_same_of_itself_as_what_is_loaded(tmp_path: Path) -> None:
    """The facts of a model whose graph is built are read from its files."""
    prompts = {"query": "find: "}
    built = build_bert(make_embedder(tmp_path, prompts=prompts, normalize=True))

    assert built is not None
    assert built[1] == embedding_module(str(tmp_path))[1]


def test_weights_of_other_names_are_left_to_tracing(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = make_embedder(tmp_path) / "model.safetensors"
    save_file({f"other.{name}": value for name, value in load_file(weights).items()}, weights)

    assert build_bert(tmp_path) is None


@pytest.mark.usefixtures("own_process")
def test_a_model_is_traced_once_in_a_process_of_its_own(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = str(make_embedder(tmp_path, hidden_act="relu"))
    load(home, source=source, engine="openvino")
    monkeypatch.setattr("subprocess.run", None)

    load(home, source=source, engine="openvino")


def test_the_shipped_model_is_built_without_tracing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "convert_in_own_process", None)

    assert load(home, engine="openvino").engine == "openvino"


class TestPrompts:
    """A model that names prompts, and the synonyms of other APIs."""

    @pytest.mark.parametrize(
        ("input_type", "prompt"),
        [
            ("query", "find: "),
            ("search_query", "find: "),
            ("document", "text: "),
            ("passage", "text: "),
            ("search_document", "text: "),
            ("clustering", ""),
        ],
    )
    def test_a_type_puts_its_prompt_before_the_text(
        self, prompted: Path, home: Path, engine: str, input_type: str, prompt: str
    ) -> None:
        model = load(home, source=str(prompted), engine=engine)

        [typed] = model.tokenize(["red tea"], (input_type,))
        [plain] = model.tokenize([prompt + "red tea"], ())

        assert typed.ids == plain.ids

    def test_types_may_differ_from_text_to_text(self, prompted: Path, home: Path) -> None:
        model = load(home, source=str(prompted), engine="torch")

        both = model.tokenize(["tea", "tea", "tea"], ("document", "query", "document"))

        assert both[0].ids == both[2].ids == model.tokenize(["text: tea"], ())[0].ids
        assert both[1].ids == model.tokenize(["find: tea"], ())[0].ids

    def test_prompts_of_the_configuration_come_first(self, prompted: Path, home: Path) -> None:
        prompts = {"query": "ask: "}
        model = load(home, source=str(prompted), engine="torch", prompts=prompts)

        assert model.tokenize(["tea"], ("query",))[0].ids == model.tokenize(["ask: tea"], ())[0].ids


class TestPromptsThatArePooledOut:
    """A graph cannot leave prompts out of its vectors: torch runs such a model."""

    def test_openvino_refuses_it_with_the_reason(self, pooled_out: Path, home: Path) -> None:
        with pytest.raises(ConversionFailed, match="leaves prompts out"):
            load(home, source=str(pooled_out), engine="openvino")

    def test_auto_takes_torch(
        self, pooled_out: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engines, "has_nvidia", lambda: False)

        assert load(home, source=str(pooled_out)).engine == "torch"

    def test_texts_with_and_without_prompts_share_a_batch(
        self, pooled_out: Path, home: Path
    ) -> None:
        from sentence_transformers import SentenceTransformer

        reference = SentenceTransformer(str(pooled_out), device="cpu", local_files_only=True)
        model = load(home, source=str(pooled_out), engine="torch")

        found = model.encode(model.tokenize(["red tea", "tea"], ("query", "other")))

        np.testing.assert_allclose(
            found[0], reference.encode("red tea", prompt_name="query"), atol=1e-5
        )
        np.testing.assert_allclose(found[1], reference.encode("tea"), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "device", "nvidia", "engine"),
    [
        ("auto", "auto", False, "openvino"),
        ("auto", "cpu", True, "openvino"),
        ("auto", "auto", True, "torch"),
        ("auto", "mps", False, "torch"),
        ("torch", "cpu", False, "torch"),
        ("openvino", "gpu", False, "openvino"),
    ],
)
def test_auto_follows_the_device(
    monkeypatch: pytest.MonkeyPatch, name: str, device: str, nvidia: bool, engine: str
) -> None:
    monkeypatch.setattr(engines, "has_nvidia", lambda: nvidia)

    assert resolve_encoder_engine(name, device) == engine


@pytest.mark.parametrize("engine_name", ["openvino", "torch"])
def test_a_folder_that_holds_no_model_is_named(tmp_path: Path, engine_name: str) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    files = ModelFiles(tmp_path, None, "rev", 16, None, 0)
    with pytest.raises(RuntimeError, match=str(tmp_path)):
        load_encoder("m", files, "classification", engine_name, EncoderOptions(), tmp_path / "h")


@pytest.mark.usefixtures("own_process")
def test_a_failed_conversion_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    files = ModelFiles(tmp_path / "none", None, "rev", 16, None, 0)
    with pytest.raises(ConversionFailed, match=r"(?s)cannot be converted \(1\).*none not found"):
        find_ir("m", files, "embedding", tmp_path / "h")

    assert [path.suffix for path in (tmp_path / "h" / "models").iterdir()] == [".lock"]
