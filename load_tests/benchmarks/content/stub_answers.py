"""A text model that answers from the passages of its prompt as a good one does, and then lies.

It takes the sentence of the passages that shares most words with the question, puts it in other
words, and marks it. Every second answer goes on with a claim that no passage makes, under the same
mark, and every third with a number that is wrong. What is true of an answer is known, so what a
check lets through can be counted.
"""

from collections.abc import AsyncGenerator

import regex

from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    ModelLoad,
    TokenUsage,
)
from deployments.documents.evidence import shared_words
from deployments.text.segments import find_sentences

CONTEXT_LENGTH = 32_768
MADE_UP = "It was praised by everybody who has ever seen it"  # no passage says so
_PASSAGE = regex.compile(
    r"^\[(\d+)\] [^\n]*:\n(.*?)(?=\n\n\[\d+\] |\n\nQuestion: )", regex.M | regex.S
)
_NUMBER = regex.compile(r"\d+")


class LyingModel:
    """Implements ServedModel."""

    def __init__(self) -> None:
        self.answers = 0

    async def card(self) -> ModelCard:
        return ModelCard("good", "stub", "stub", "1", CONTEXT_LENGTH, 0)

    async def load(self) -> ModelLoad:
        return ModelLoad(0, 0, 0, 0, 0, 0, 0, 0)

    async def generate(self, request: GenerateRequest) -> Completion:
        text = self.written(request.messages[-1].content)
        return Completion((Choice(0, text, "stop"),), TokenUsage(1, 1), request.model)

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        words = self.written(request.messages[-1].content).split(" ")
        for at, word in enumerate(words):
            yield Chunk(0, word if at == 0 else f" {word}", tokens=1)
        yield Chunk(0, "", "stop", usage=TokenUsage(1, len(words)))

    def written(self, prompt: str) -> str:
        """The answer to a prompt."""
        self.answers += 1
        question = prompt.rpartition("Question: ")[2]
        best, number = "", "1"
        for match in _PASSAGE.finditer(prompt):
            for start, end in find_sentences(match[2]):
                sentence = match[2][start:end]
                if shared_words(question, sentence) > shared_words(question, best):
                    best, number = sentence, match[1]
        said = [f"According to the notes, {best[:1].lower()}{best[1:].rstrip('.')} [{number}]."]
        if self.answers % 2 == 0:
            said.append(f"{MADE_UP} [{number}].")
        if self.answers % 3 == 0:
            wrong = _NUMBER.sub(lambda match: str(int(match[0]) + 7), best.rstrip("."))
            said.append(f"{wrong} [{number}]." if wrong != best.rstrip(".") else "")
        return " ".join(filter(None, said))
