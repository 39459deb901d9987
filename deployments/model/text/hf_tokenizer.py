"""A model's own tokenizer, read from its folder.

In: a model folder. Out: a `Tokenizer`. `tokenizer.json` is read with the `tokenizers` library:
importing transformers for this would cost a replica 3 s and 300 MB.
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from deployments.contracts.generation import Message, ToolSettings
from deployments.model.text.chat import ChatTemplate, SpecialTokenFilter
from deployments.model.text.image_prompts import message_parts, reads_only_parts
from deployments.model.text.tokenizer import (
    ByteDetokenizer,
    Detokenizer,
    Ids,
    MarkedDetokenizer,
    WindowDetokenizer,
)
from deployments.model.text.tools.chat_rendering import ToolChat
from deployments.model.text.tools.formats import (
    FORMATS,
    JSON,
    FormatChoice,
    ToolFormat,
    detect_format,
)

# The most bytes that a token of a tokenizer that drops or merges text (a normalizer, an unknown
# token) is assumed to stand for: no bound follows from its vocabulary.
_LOSSY_TOKEN_BYTES = 256


class TextTokenizer:
    """A Hugging Face fast tokenizer and its chat template.

    Names of special tokens inside a message are removed before the template sees them, so that a
    message cannot forge a turn; a raw prompt may contain them.
    """

    def __init__(self, folder: Path, tool_format: FormatChoice = "auto") -> None:
        """Raises FileNotFoundError when `folder` holds no tokenizer that can be read."""
        self._tokenizer = load_tokenizer(folder)
        settings = _read_json(folder / "tokenizer_config.json")
        added = self._tokenizer.get_added_tokens_decoder()
        self._special = frozenset(token for token, entry in added.items() if entry.special)
        self._names: dict[int, str] = {token: entry.content for token, entry in added.items()}
        ids = {name: token for token, name in self._names.items()}
        self.eos_ids = _eos_ids(folder, settings, ids)
        special_names = list(map(self._names.__getitem__, self._special))
        self._filter = SpecialTokenFilter(special_names)
        names = _template_names(settings)
        self._template = ChatTemplate(_template_source(folder, settings, "default"), names)
        self._reads_parts = reads_only_parts(self._template)
        tool_source = _template_source(folder, settings, "tool_use")
        tool_template = self._template if tool_source is None else ChatTemplate(tool_source, names)
        self.tool_format = _tool_format(tool_format, tool_template)
        written = self.tool_format or JSON
        tool_filter = SpecialTokenFilter([*special_names, *written.marks])
        self._tool_chat = ToolChat(tool_template, written, tool_filter)
        self._marks = {ids[name]: name for name in written.marks if ids.get(name) in self._special}
        parts = json.loads(self._tokenizer.to_str())
        self._decoder = parts.get("decoder") or {}
        self._bytes: dict[int, bytes] = {}
        self.size = self._tokenizer.get_vocab_size()
        lengths = (len(self._bytes_of(token)) for token in range(self.size))
        self.longest_token = max(lengths, default=1)
        if not (self._is_byte_level and parts.get("normalizer") is None):
            self.longest_token = max(self.longest_token, _LOSSY_TOKEN_BYTES)

    def encode(self, text: str) -> Ids:
        ids = self._ids(text, add_special_tokens=True)
        return ids if len(ids) else sorted(self.eos_ids)[:1] or [0]

    def encode_chat(self, messages: Sequence[Message]) -> Ids:
        if self._reads_parts:
            ids = self._ids(self.image_chat(messages), add_special_tokens=False)
            return ids if len(ids) else self.encode("")
        safe = [{"role": m.role, "content": self._filter.remove(m.content)} for m in messages]
        ids = self._ids(self._template.render(safe), add_special_tokens=False)
        return ids if len(ids) else self.encode("")

    def image_chat(self, messages: Sequence[Message]) -> str:
        """The text of a chat with the template's placeholders of pictures. Raises InvalidRequest
        from the template."""
        return self._template.render([message_parts(m, self._filter.remove) for m in messages])

    def encode_tool_chat(self, messages: Sequence[Message], tools: ToolSettings | None) -> Ids:
        ids = self._ids(self._tool_chat.render(messages, tools), add_special_tokens=False)
        return ids if len(ids) else self.encode("")

    def _ids(self, text: str, *, add_special_tokens: bool) -> Ids:
        # Of the library's methods, only those for batches release the global lock.
        encode = self._tokenizer.encode_batch_fast
        return _Encoded(encode([text], add_special_tokens=add_special_tokens)[0])

    def ids(self, text: str, *, special: bool) -> Sequence[int]:
        return list(self._ids(text, add_special_tokens=special))

    def name(self, token: int) -> str:
        return str(self._tokenizer.id_to_token(token) or "")

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def detokenizer(self, *, keep_marks: bool = False) -> Detokenizer:
        if keep_marks and self._marks:
            return MarkedDetokenizer(self._marks, self.detokenizer)
        if self._is_byte_level:
            return ByteDetokenizer(self.token_bytes, self._special)
        return WindowDetokenizer(self._decode)

    def token_bytes(self, token: int) -> bytes:
        cached = self._bytes.get(token)
        if cached is None:
            cached = self._bytes[token] = self._bytes_of(token)
        return cached

    def _bytes_of(self, token: int) -> bytes:
        if token in self._names:
            return self._names[token].encode()
        name: str | None = self._tokenizer.id_to_token(token)
        if name is None:
            return b""
        if self._is_byte_level:
            return bytes(map(_BYTE_OF.__getitem__, name))
        if re.fullmatch(r"<0x[0-9A-F]{2}>", name):
            return bytes((int(name[3:5], 16),))
        return name.replace("\u2581", " ").encode()

    @cached_property
    def _is_byte_level(self) -> bool:
        parts = self._decoder.get("decoders", [self._decoder])
        return [part.get("type") for part in parts] == ["ByteLevel"]

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text


class _Encoded:
    """The library's result: the list of ids is made only when it is iterated."""

    def __init__(self, encoding: Any) -> None:
        self._encoding = encoding

    def __len__(self) -> int:
        return len(self._encoding)

    def __iter__(self) -> Iterator[int]:
        return iter(self._encoding.ids)


def load_tokenizer(folder: Path) -> Any:
    """The `tokenizers.Tokenizer` of a folder. Raises FileNotFoundError where there is none."""
    from tokenizers import Tokenizer as FastTokenizer

    path = folder / "tokenizer.json"
    if path.exists():
        return FastTokenizer.from_file(str(path))
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder).backend_tokenizer
    except (OSError, ValueError, AttributeError) as error:
        raise FileNotFoundError(
            f"{folder} has no tokenizer.json, and none can be made from its files"
        ) from error


def _eos_ids(folder: Path, settings: dict[str, Any], ids: dict[str, int]) -> frozenset[int]:
    """Every id that ends a response.

    From generation_config.json first, then config.json, then the tokenizer's.
    """
    for name in ("generation_config.json", "config.json"):
        eos = _read_json(folder / name).get("eos_token_id")
        if eos is not None:
            return frozenset(eos if isinstance(eos, list) else [eos])
    name = _name(settings.get("eos_token"))
    return frozenset({ids[name]}) if name in ids else frozenset()


def _tool_format(choice: FormatChoice, template: ChatTemplate) -> ToolFormat | None:
    """None where the model is to call no tools."""
    if choice == "off":
        return None
    if choice == "auto":
        return detect_format(template.source, takes_tools=template.takes_tools)
    return FORMATS[choice]


def _template_source(folder: Path, settings: dict[str, Any], name: str) -> str | None:
    """The chat template of that name; a model's only template is its `default`."""
    path = folder / "chat_template.jinja"
    named = folder / "additional_chat_templates" / f"{name}.jinja"
    if name != "default" and named.exists():
        return named.read_text(encoding="utf-8")
    if name == "default" and path.exists():
        return path.read_text(encoding="utf-8")
    processor = _read_json(folder / "chat_template.json").get("chat_template")
    if name == "default" and isinstance(processor, str):
        return processor
    source = settings.get("chat_template")
    if isinstance(source, list):
        return {entry["name"]: entry["template"] for entry in source}.get(name)
    return source if name == "default" else None


def _template_names(settings: dict[str, Any]) -> dict[str, str]:
    keys = ("bos_token", "eos_token", "pad_token", "unk_token")
    return {key: name for key in keys if (name := _name(settings.get(key)))}


def _name(entry: object) -> str:
    """A special token's text; tokenizer_config.json writes it as a string or as an object."""
    return str(entry.get("content", "")) if isinstance(entry, dict) else str(entry or "")


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _byte_alphabet() -> dict[str, int]:
    """Byte-level BPE's visible substitute for each byte, inverted.

    GPT-2's `bytes_to_unicode` (github.com/openai/gpt-2, src/encoder.py): printable Latin-1 stands
    for itself, the other bytes take the code points from 256 on, in order.
    """
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in set(visible)]
    return {chr(byte): byte for byte in visible} | {chr(256 + i): b for i, b in enumerate(hidden)}


_BYTE_OF = _byte_alphabet()
