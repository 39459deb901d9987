"""Chat templates: messages in, one prompt text out; and special tokens' names out of messages.

The template is the model's own, so it runs sandboxed. The environment is the one that transformers
gives templates (`utils/chat_template_utils.py`): an immutable Jinja sandbox, trimmed blocks, loop
controls, `tojson`, `raise_exception`, `strftime_now`.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from jinja2 import TemplateError, meta
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.problems import InvalidRequest

PLAIN = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "assistant:"
)


class ChatTemplate:
    """One compiled template. `names` are the special tokens that it may write (`bos_token` ...)."""

    def __init__(
        self, source: str | None, names: Mapping[str, str], clock: Clock | None = None
    ) -> None:
        """A model without a template gets `PLAIN`. Raises jinja2.TemplateSyntaxError."""
        self._clock = clock or SystemClock()
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = self._strftime_now
        self._template = environment.from_string(source or PLAIN)
        self._names = dict(names)
        self.source = source
        variables = meta.find_undeclared_variables(environment.parse(source or PLAIN))
        self.takes_tools = "tools" in variables

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> str:
        """The prompt, up to where the assistant begins.

        Raises InvalidRequest if the template objects.
        """
        try:
            return self._template.render(
                messages=messages, add_generation_prompt=True, tools=tools, **self._names
            )
        except TemplateError as error:
            raise InvalidRequest(
                f"The model's chat template refuses these messages: {str(error)[:200]}",
                param="messages",
            ) from error

    def _strftime_now(self, pattern: str) -> str:
        return datetime.fromtimestamp(self._clock.wall(), UTC).strftime(pattern)


class SpecialTokenFilter:
    """Removes the names of special tokens from a caller's text, in one pass.

    A stack of the characters so far: whenever its top spells a name, the name is popped. Popping
    joins the text before the name to the text after it, so nested names are removed too. Linear in
    the text, times the number of different lengths of names. Where no name overlaps another (none
    begins with what another ends with, none contains another) the result is that of removing names
    until none is left, in any order.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(filter(None, names))
        self._lengths = sorted({len(name) for name in self._names}, reverse=True)
        self._endings = frozenset(name[-2:] for name in self._names)
        last = "".join(sorted({re.escape(name[-1]) for name in self._names}))
        self._last = re.compile(f"[{last}]" if last else r"(?!)")

    def remove(self, text: str) -> str:
        """`text` without any special token's name."""
        if not any(name in text for name in self._names):
            return text
        output: list[str] = []
        position = 0
        for match in self._last.finditer(text):  # a name is complete only at its last character
            output += text[position : match.end()]
            position = match.end()
            self._pop(output)
        output += text[position:]
        return "".join(output)

    def _pop(self, output: list[str]) -> None:
        """Remove the longest name at the end, if there is one."""
        if "".join(output[-2:]) not in self._endings and output[-1] not in self._endings:
            return
        end = "".join(output[-self._lengths[0] :])
        for length in self._lengths:
            if end[-length:] in self._names:
                del output[-len(end[-length:]) :]
                return


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
