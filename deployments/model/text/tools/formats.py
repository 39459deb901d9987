"""How each family of models is shown tools and writes calls of them.

In: a model's chat template. Out: its `ToolFormat`. Sources: the chat templates of Qwen 2.5 and
Hermes 2 Pro (`hermes`), Llama 3.1 to 3.3 (`llama`), Mistral 7B v0.3 and later (`mistral`). `json`
is Mobula's own, for models whose templates know no tools, or tools in another form.
"""

from dataclasses import dataclass
from typing import Literal

from deployments.model.text.tools.call_parser import CallSyntax

FormatName = Literal["hermes", "llama", "mistral", "json"]
FormatChoice = Literal["auto", "hermes", "llama", "mistral", "json", "off"]


@dataclass(frozen=True, slots=True)
class ToolFormat:
    """How calls are written: `mark` `first` CALL `separator` CALL `last`, where a CALL is `start`
    name `middle` arguments `end`.

    `marks` are what must not come from a caller, and what tokenizers must not drop. `one_each`: the
    template takes one call a message. `short_ids`: it takes ids of nine letters or digits.
    `marks_are_tokens`: the mark before calls is a special token, which no grammar can allow.
    """

    name: FormatName
    syntax: CallSyntax
    mark: str = ""
    first: str = ""
    start: str = '{"name": "'
    middle: str = '", "arguments": '
    end: str = "}"
    separator: str = "\n"
    last: str = ""
    marks: tuple[str, ...] = ()
    one_each: bool = False
    short_ids: bool = False
    marks_are_tokens: bool = False

    def written(self, calls: list[tuple[str, str]]) -> str:
        """Calls, each a name and the text of its arguments, as the model writes them."""
        texts = [f"{self.start}{name}{self.middle}{text}{self.end}" for name, text in calls]
        return f"{self.mark}{self.first}{self.separator.join(texts)}{self.last}"


HERMES = ToolFormat(
    "hermes",
    CallSyntax("<tool_call>", "</tool_call>"),
    mark="<tool_call>\n",
    end="}\n</tool_call>",
    separator="\n<tool_call>\n",
    marks=("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"),
)
LLAMA = ToolFormat(
    "llama",
    CallSyntax("<|python_tag|>", bare=True),
    middle='", "parameters": ',
    separator="; ",
    marks=("<|python_tag|>",),
    one_each=True,
)
MISTRAL = ToolFormat(
    "mistral",
    CallSyntax("[TOOL_CALLS]", array=True, named=True),
    mark="[TOOL_CALLS]",
    first="[",
    separator=", ",
    last="]",
    marks=(
        "[TOOL_CALLS]",
        "[CALL_ID]",
        "[ARGS]",
        "[AVAILABLE_TOOLS]",
        "[/AVAILABLE_TOOLS]",
        "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]",
        "[TOOL_CONTENT]",
    ),
    short_ids=True,
    marks_are_tokens=True,
)
JSON = ToolFormat(
    "json",
    CallSyntax(bare=True, array=True),
    start='{"name":"',
    middle='","arguments":',
)

FORMATS: dict[FormatName, ToolFormat] = {each.name: each for each in (HERMES, LLAMA, MISTRAL, JSON)}
# In templates that take tools, most specific first: Hermes' models based on Llama have both.
_SIGNS = (
    ("<tool_call>", HERMES),
    ("[TOOL_CALLS]", MISTRAL),
    ("<|python_tag|>", LLAMA),
    ('"parameters": dictionary of argument name', LLAMA),
)
# Of calls as XML inside of Hermes' marks: Qwen3-Coder's, GLM 4.5's.
_OTHER_SIGNS = ("<function=", "<parameter=", "<arg_key>")


def detect_format(template: str | None, *, takes_tools: bool) -> ToolFormat:
    """The format that a model's chat template uses; `JSON` where it takes no tools, or where their
    form is not known.
    """
    if template is None or not takes_tools or any(sign in template for sign in _OTHER_SIGNS):
        return JSON
    return next((format for sign, format in _SIGNS if sign in template), JSON)
