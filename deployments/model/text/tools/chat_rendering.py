"""A chat with tools as one prompt text, in the form that the model's chat template wants.

In: messages, tools, the template. Out: the text up to where the assistant's turn begins; where a
call is forced, up to where the call begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.generation import Message, ToolSettings
from deployments.model.text.chat import ChatTemplate, SpecialTokenFilter
from deployments.model.text.tools.formats import JSON, ToolFormat
from deployments.model.text.tools.rendering import (
    plain_messages,
    template_messages,
    template_tools,
    without_system,
)


@dataclass(frozen=True, slots=True)
class ToolChat:
    """Renders chats of one model. `filter` removes the names of special tokens and the marks of
    `format`, so that neither a message nor a tool can forge a turn or a call.
    """

    template: ChatTemplate
    format: ToolFormat
    filter: SpecialTokenFilter

    def render(self, messages: Sequence[Message], settings: ToolSettings | None) -> str:
        """Raises InvalidRequest where the template refuses the messages."""
        is_forced = settings is not None and settings.mode == "required"
        return self._turns(messages, settings) + (self.format.mark if is_forced else "")

    def _turns(self, messages: Sequence[Message], settings: ToolSettings | None) -> str:
        clean = self.filter.remove
        if self.template.takes_tools and self.format is not JSON:
            tools = None if settings is None else template_tools(settings, clean)
            return self.template.render(template_messages(messages, self.format, clean), tools)
        plain = plain_messages(messages, settings, self.format, clean)
        try:
            return self.template.render(plain)
        except InvalidRequest:
            if settings is None or any(message.role == "system" for message in messages):
                raise
            return self.template.render(without_system(plain))
