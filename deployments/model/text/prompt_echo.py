"""The prompt as the beginning of an answer, with the log probabilities of its tokens.

In: a request, its prompt's ids, and the batches of each sequence. Out: deltas of each choice, of
which the first begins with the prompt; it is the last one too where nothing is to be generated.
"""

from collections.abc import Callable, Sequence

from deployments.contracts.engine import Tokens
from deployments.contracts.generation import FinishReason, GenerateRequest
from deployments.model.errors import model_failed
from deployments.model.text.choice_decoder import ChoiceDecoder, TextDelta, describe_token
from deployments.model.text.tokenizer import Tokenizer


class PromptEcho:
    """One request's prompt. `is_all`: no token is generated; engines generate one nevertheless,
    which is dropped and not counted.
    """

    def __init__(
        self, request: GenerateRequest, prompt_ids: Sequence[int], tokenizer: Tokenizer
    ) -> None:
        self.is_all = request.sampling.max_tokens == 0
        self._wants_logprobs = request.sampling.logprobs is not None
        self._model = request.model
        self._ids = prompt_ids
        self._tokenizer = tokenizer
        self._text = request.prompt if request.prompt is not None else self._decode()

    def delta(self, first: Tokens) -> TextDelta:
        """What comes before the tokens of a sequence's `first` batch; with a reason to end where
        nothing does. Raises ModelFailed where the batch lacks the prompt's log probabilities.
        """
        reason: FinishReason | None = "length" if self.is_all else None
        if not self._wants_logprobs:
            return TextDelta(self._text, None, reason)
        logprobs, top = first.prompt_logprobs, first.prompt_top or ((),) * len(self._ids)
        if not len(self._ids) == len(logprobs) == len(top):
            raise model_failed(self._model, "the prompt's log probabilities are missing")
        token_bytes = self._tokenizer.token_bytes
        tokens = [
            describe_token(token_bytes, *entry)
            for entry in zip(self._ids, logprobs, top, strict=True)
        ]
        return TextDelta(self._text, tuple(tokens), reason)

    def _decode(self) -> str:
        detokenizer = self._tokenizer.detokenizer()
        return detokenizer.push(self._ids) + detokenizer.flush()


class EchoingDecoder(ChoiceDecoder):
    """A decoder whose text begins with the prompt; the prompt's tokens are not counted."""

    def __init__(
        self,
        echo: PromptEcho,
        tokenizer: Tokenizer,
        stops: tuple[str, ...],
        accepts: Callable[[str], bool] | None = None,
    ) -> None:
        """`accepts` is asked about the text without the prompt."""
        super().__init__(tokenizer.detokenizer(), stops, tokenizer.token_bytes, accepts)
        self._echo: PromptEcho | None = echo

    def add(self, tokens: Tokens) -> TextDelta:
        echo, self._echo = self._echo, None
        if echo is None:
            return super().add(tokens)
        prompt = echo.delta(tokens)
        if echo.is_all:
            self.ended = True
            return prompt
        generated = super().add(tokens)
        logprobs = prompt.logprobs
        if logprobs is not None:
            logprobs += generated.logprobs or ()
        return TextDelta(prompt.text + generated.text, logprobs, generated.finish_reason)

    def count(self, rest: Tokens | None = None) -> None:
        """Nothing is generated where only the prompt is asked for."""
        echo, self._echo = self._echo, None
        if echo is None or not echo.is_all:
            super().count(rest)
