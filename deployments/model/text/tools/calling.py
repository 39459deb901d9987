"""What tools change in one request to a model.

In: a request with tools, the model's format. Out: where the grammar of its response comes from, and
a parser for each choice; or a refusal that names the field.
"""

from array import array
from collections.abc import Sequence
from functools import partial
from hashlib import blake2b

from cluster.runtime.problems import UnsupportedParameter
from deployments.contracts.generation import GenerateRequest
from deployments.model.text.tools.call_parser import ToolCallParser
from deployments.model.text.tools.forced_calls import CallGrammarSource
from deployments.model.text.tools.formats import ToolFormat

_ID_BYTES = 12


class ToolCalling:
    """The tools of one request; `source` is for `compile_calls`.

    Ids of calls follow from the prompt, the choice and the place of the call: a request that is
    computed once more, in the middle of a stream, gives the same ids; another turn of the same chat
    gives others.
    """

    def __init__(self, source: CallGrammarSource) -> None:
        self.source = source

    @classmethod
    def of(
        cls, request: GenerateRequest, format: ToolFormat | None, model: str
    ) -> "ToolCalling | None":
        """None for a request without tools.

        Raises UnsupportedParameter where the model calls no tools.
        """
        settings = request.tool_settings
        if settings is None:
            return None
        if format is None:
            raise UnsupportedParameter("tools", f"model '{model}' calls no tools.")
        return cls(CallGrammarSource(format, settings, request.output_format))

    @property
    def is_forced(self) -> bool:
        """Whether the response has to be a call."""
        return self.source.settings.mode == "required"

    def parser(self, prompt: Sequence[int], choice: int) -> ToolCallParser:
        """A new parser for what follows `prompt`."""
        return self.source.parser(partial(_call_id, prompt, choice))


def _call_id(prompt: Sequence[int], choice: int, index: int) -> str:
    place = array("q", (choice, index, *prompt)).tobytes()
    return f"call_{blake2b(place, digest_size=_ID_BYTES).hexdigest()}"
