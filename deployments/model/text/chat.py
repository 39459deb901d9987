"""Chat templates: messages in, one prompt text out.

The template is the model's own, so it runs sandboxed. The environment is the one that transformers
gives templates (`utils/chat_template_utils.py`): an immutable Jinja sandbox, trimmed blocks, loop
controls, `tojson`, `raise_exception`, `strftime_now`.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from jinja2 import TemplateError
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

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The prompt, up to where the assistant begins.

        Raises InvalidRequest if the template objects.
        """
        try:
            return self._template.render(
                messages=messages, add_generation_prompt=True, tools=None, **self._names
            )
        except TemplateError as error:
            raise InvalidRequest(
                f"The model's chat template refuses these messages: {str(error)[:200]}",
                param="messages",
            ) from error

    def _strftime_now(self, pattern: str) -> str:
        return datetime.fromtimestamp(self._clock.wall(), UTC).strftime(pattern)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
