"""The texts and pictures of messages, in their order.

In: a GenerateRequest. Out: for each message with pictures its pieces, none of them an empty text.
"""

from collections.abc import Iterator

from deployments.contracts.generation import GenerateRequest
from deployments.contracts.images import DecodedImage

Piece = str | DecodedImage


def pieces_of(request: GenerateRequest) -> Iterator[tuple[int, list[Piece]]]:
    """The index of each message with pictures, and its pieces."""
    images = iter(request.images)
    for index, message in enumerate(request.messages):
        if not message.images:
            continue
        pieces: list[Piece] = []
        start = 0
        for place in message.images:
            if place > start:
                pieces.append(message.content[start:place])
            pieces.append(next(images))
            start = max(start, place)
        if start < len(message.content):
            pieces.append(message.content[start:])
        yield index, pieces
