"""Writes a llama model of random weights in the GGUF format: `python tiny_gguf.py PATH`.

It runs with the packages `gguf` and `numpy` in the environment of llama-cpp-python's server. Its
vocabulary is the printable characters of ASCII and the bytes; bytes are never the likeliest.
"""

import sys

import gguf
import numpy as np

WIDTH, HEADS, LAYERS, FEED, CONTEXT = 64, 4, 2, 128, 2048
CONTROL, BYTE, NORMAL = 3, 6, 1  # kinds of tokens
SPECIAL = ("<unk>", "<s>", "</s>")
TEMPLATE = (
    "{% for message in messages %}<s>{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "<s>assistant: "
)


def write(path: str) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    characters = ["\u2581", *(chr(code) for code in range(33, 127))]
    tokens = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *characters]
    kinds = [2, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * len(characters)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_chat_template(TEMPLATE)
    random = np.random.default_rng(7)

    def matrix(*shape: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
        return random.normal(0, 0.5, shape).astype(np.float32)

    head = matrix(len(tokens), WIDTH)
    head[: len(SPECIAL) + 256] = 0
    writer.add_tensor("token_embd.weight", matrix(len(tokens), WIDTH))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    writer.add_tensor("output.weight", head)
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(WIDTH, np.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", matrix(WIDTH, WIDTH))
        for name, shape in (
            ("ffn_gate", (FEED, WIDTH)),
            ("ffn_up", (FEED, WIDTH)),
            ("ffn_down", (WIDTH, FEED)),
        ):
            writer.add_tensor(f"blk.{layer}.{name}.weight", matrix(*shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(sys.argv[1])
