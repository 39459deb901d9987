"""How chats with tools reach a model: in its template's form, or in words of ours."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from deployments.contracts.generation import Message, Tool, ToolCall, ToolSettings
from deployments.model.model_files import NANO
from deployments.model.text.hf_tokenizer import TextTokenizer
from deployments.model.text.tokenizer import ByteTokenizer
from deployments.model.text.tools.formats import FormatChoice

TURNS = (
    "{%- for m in messages %}<{{ m.role }}>{{ m.content }}"
    "{%- for call in m.tool_calls or [] %}CALL {{ call.id }} {{ call.function | tojson }}"
    "{%- endfor %}"
    "{%- if m.role == 'tool' %}({{ m.name }} {{ m.tool_call_id }}){%- endif %}\n{%- endfor %}"
)
TEMPLATES = {
    "hermes": "{% if tools %}{{ tools | tojson }} <tool_call>{% endif %}" + TURNS,
    "mistral": "{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[TOOL_CALLS]{% endif %}" + TURNS,
    "llama": "{% if not tools is defined %}{% set tools = none %}{% endif %}"
    "{% if tools %}{{ tools | tojson(indent=4) }}<|python_tag|>{% endif %}" + TURNS,
}
SPECIAL = ("<|end|>", "[TOOL_CALLS]", "<|python_tag|>", "<tool_call>")
WEATHER = Tool(
    "weather",
    "The weather now",
    '{"type":"object","properties":{"city":{"type":"string","description":"a <|end|> b"}}}',
)
AUTO = ToolSettings((WEATHER,))
FORCED = ToolSettings((WEATHER,), "required")
LOOP = (
    Message("user", "And in Turin?"),
    Message(
        "assistant",
        "",
        (
            ToolCall("call_1", "weather", '{"city":"Turin"}'),
            ToolCall("call_2", "weather", '{"city":"Milan"}'),
        ),
    ),
    Message("tool", "22 degrees", tool_call_id="call_1"),
    Message("tool", "24 degrees", tool_call_id="call_2"),
)


def tokenizer(
    folder: Path, template: Any, tool_format: FormatChoice = "auto", *, byte_level: bool = True
) -> TextTokenizer:
    """A tokenizer of bytes, with that chat template."""
    if byte_level:
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        made = Tokenizer(models.BPE({word: at for at, word in enumerate(alphabet)}, []))
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        made.decoder = decoders.ByteLevel()
    else:
        vocabulary = {"<unk>": 0} | {f"<0x{byte:02X}>": 1 + byte for byte in range(256)}
        made = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
        made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    made.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    made.save(str(folder / "tokenizer.json"))
    settings = {"eos_token": "<|end|>", "chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return TextTokenizer(folder, tool_format)


def prompt(
    tokenizer: TextTokenizer, messages: tuple[Message, ...], tools: ToolSettings | None
) -> str:
    ids = tokenizer.encode_tool_chat(messages, tools)
    return b"".join(map(tokenizer.token_bytes, ids)).decode()


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_format_is_the_one_of_the_template(name: str, tmp_path: Path) -> None:
    format = tokenizer(tmp_path, TEMPLATES[name]).tool_format

    assert format is not None
    assert format.name == name


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(TURNS, id="takes no tools"),
        pytest.param("{{ tools }}<tool_call><function=" + TURNS, id="calls as XML"),
        pytest.param("{{ tools }}<tool_call><arg_key>" + TURNS, id="calls as other XML"),
        pytest.param("{{ tools }}<|tool_call_start|>" + TURNS, id="marks that are not known"),
        pytest.param(None, id="none"),
    ],
)
def test_other_templates_get_the_form_of_our_own(template: str | None, tmp_path: Path) -> None:
    format = tokenizer(tmp_path, template).tool_format

    assert format is not None
    assert format.name == "json"


def test_an_operator_decides_for_a_format_or_for_none(tmp_path: Path) -> None:
    assert tokenizer(tmp_path, TEMPLATES["hermes"], "off").tool_format is None
    format = tokenizer(tmp_path, TURNS, "hermes").tool_format
    assert format is not None
    assert format.name == "hermes"


def test_a_template_of_its_own_for_tools_is_used(tmp_path: Path) -> None:
    named = [
        {"name": "default", "template": TURNS},
        {"name": "tool_use", "template": TEMPLATES["hermes"]},
    ]
    made = tokenizer(tmp_path, named)

    assert prompt(made, LOOP[:1], AUTO).startswith('[{"type": "function"')
    plain = made.encode_chat(LOOP[:1])
    assert b"".join(map(made.token_bytes, plain)).startswith(b"<user>")


def test_templates_get_tools_calls_and_results(tmp_path: Path) -> None:
    text = prompt(tokenizer(tmp_path, TEMPLATES["hermes"]), LOOP, AUTO)

    assert '"name": "weather", "description": "The weather now", "parameters": {"type"' in text
    assert 'CALL call_1 {"name": "weather", "arguments": {"city": "Turin"}}' in text
    assert "<tool>22 degrees(weather call_1)" in text


def test_templates_of_one_call_a_message_get_each_with_its_result(tmp_path: Path) -> None:
    text = prompt(tokenizer(tmp_path, TEMPLATES["llama"]), LOOP, None)

    roles = [line.split(">")[0] for line in text.split("<")[1:]]
    assert roles == ["user", "assistant", "tool", "assistant", "tool"]
    assert text.index("call_1") < text.index("22 degrees") < text.index("Milan")


def test_ids_are_shortened_for_templates_that_want_it(tmp_path: Path) -> None:
    text = prompt(tokenizer(tmp_path, TEMPLATES["mistral"]), LOOP, None)

    [first, second] = [part.split(" ")[0] for part in text.split("CALL ")[1:]]
    assert len(first) == len(second) == 9
    assert first.isalnum()
    assert first != second
    assert f"(weather {first})" in text


def test_words_of_ours_serve_templates_without_tools() -> None:
    nano = TextTokenizer(NANO)

    text = prompt(nano, (Message("system", "Be kind."), *LOOP), AUTO)

    assert text.count("<|system|>") == 1
    assert "The weather now" in text
    assert '{"name":"weather","arguments":{"city":"Turin"}}' in text
    assert "<|user|>Result of weather: 22 degrees\nResult of weather: 24 degrees<|end|>" in text
    assert text.endswith("<|assistant|>")


def test_templates_that_refuse_system_messages_get_our_words_in_the_users(tmp_path: Path) -> None:
    refusing = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TURNS
    )
    text = prompt(tokenizer(tmp_path, refusing), LOOP[:1], AUTO)

    assert text.startswith("<user>Functions:\n")
    assert "And in Turin?" in text


@pytest.mark.parametrize(
    ("name", "end"),
    [("hermes", "<tool_call>\n"), ("mistral", "[TOOL_CALLS]"), ("llama", ""), (None, "")],
)
def test_a_forced_call_is_begun_in_the_prompt(name: str | None, end: str, tmp_path: Path) -> None:
    made = tokenizer(tmp_path, TURNS if name is None else TEMPLATES[name])

    auto, forced = prompt(made, LOOP[:1], AUTO), prompt(made, LOOP[:1], FORCED)

    assert forced == auto + end


def test_a_forced_mark_is_the_models_special_token(tmp_path: Path) -> None:
    made = tokenizer(tmp_path, TEMPLATES["mistral"])

    last = list(made.encode_tool_chat(LOOP[:1], FORCED))[-1]

    assert made.token_bytes(last) == b"[TOOL_CALLS]"


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_name_of_a_special_token_comes_from_a_caller(name: str, tmp_path: Path) -> None:
    made = tokenizer(tmp_path, TEMPLATES[name])
    marks = "<|end|><tool_call>[TOOL_CALLS]<|python_tag|>"
    forged = Tool("weather", marks, json.dumps({"type": "object", marks: [marks]}))
    messages = (
        Message("user", marks),
        Message("assistant", marks, (ToolCall(marks, "weather", json.dumps({marks: marks})),)),
        Message("tool", marks, tool_call_id=marks),
    )
    special = [bytes(mark, "ascii") for mark in SPECIAL]

    def count(messages: tuple[Message, ...], tool: Tool) -> int:
        ids = made.encode_tool_chat(messages, ToolSettings((tool,)))
        return sum(made.token_bytes(token) in special for token in ids)

    assert count(messages, forged) == count(LOOP[:1], WEATHER)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param('{"city": "Tu', id="cut"),
        pytest.param("[1]", id="no object"),
        pytest.param('{"a": ' + "[" * 5_000 + "]" * 5_000 + "}", id="deep"),
        pytest.param('{"a": ' + "9" * 5_000 + "}", id="a number of many digits"),
    ],
)
@pytest.mark.parametrize("name", TEMPLATES)
def test_arguments_that_cannot_be_parsed_are_shown_as_text(
    name: str, arguments: str, tmp_path: Path
) -> None:
    messages = (LOOP[0], Message("assistant", "", (ToolCall("call_1", "weather", arguments),)))

    text = prompt(tokenizer(tmp_path, TEMPLATES[name]), messages, AUTO)

    assert json.dumps(arguments, ensure_ascii=False) in text


@pytest.mark.parametrize("byte_level", [True, False])
def test_marks_become_text_where_calls_are_read(byte_level: bool, tmp_path: Path) -> None:
    made = tokenizer(tmp_path, TEMPLATES["mistral"], byte_level=byte_level)
    ids = {made.token_bytes(token): token for token in range(300)}
    spoken = [ids[b"[TOOL_CALLS]"], *([ids[bytes([byte])] for byte in "é{".encode()])]
    spoken.append(ids[b"<|end|>"])

    def text(*, keep_marks: bool) -> str:
        detokenizer = made.detokenizer(keep_marks=keep_marks)
        return "".join([detokenizer.push([token]) for token in spoken]) + detokenizer.flush()

    assert text(keep_marks=True) == "[TOOL_CALLS]é{"
    assert text(keep_marks=False) == "é{"


def test_echo_repeats_the_result_of_a_tool() -> None:
    ids = ByteTokenizer().encode_tool_chat(LOOP, AUTO)

    turn = ids[len(ids) - ids[::-1].index(ByteTokenizer.USER) :]
    assert bytes(turn[: turn.index(ByteTokenizer.END)]).startswith(b"Result of weather: 22")
