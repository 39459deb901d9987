"""Text analysis of which only the caller's end is in a process, for benchmarks of the ingress.

In: AnalyzeRequests. Out: results that were made before, decoded anew from the bytes that a link
would bring. The operations are those that need no model.
"""

from dataclasses import replace

import msgspec

from deployments.clients.link.methods import ANALYZE
from deployments.contracts.text_analysis import AnalyzeRequest, OperationResults, TextAnalysis
from deployments.text.analysis import find_operations
from deployments.text.operation import AnalyzedText

OPERATIONS = ("statistics", "language", "readability", "pii", "hashtags")
POST = (
    "Our rooftop bar opens on Friday at nine, and the first fifty guests get a free pastry! "
    "Come by with your friends, enjoy the view and tell us what you think of the new espresso. "
    "Book a table at hello@example.com #coffee #rooftop"
)[:230]


class RecordedAnalyzer:
    """Implements TextAnalyzer. Encoding the request is in the figures, as on a link."""

    def __init__(self) -> None:
        text = AnalyzedText(POST)
        self._parts = {
            operation.name: OperationResults(operation.name, (operation.analyze(text, {}, None),))
            for operation in find_operations(OPERATIONS)
        }
        self._bodies: dict[tuple[str, ...], bytes] = {}

    async def analyze(self, request: AnalyzeRequest) -> TextAnalysis:
        sent = msgspec.msgpack.encode(ANALYZE.request.encode(replace(request)))
        assert sent, "what a link sends"
        body = self._bodies.get(request.operations)
        if body is None:
            parts = tuple(self._parts[name] for name in request.operations)
            body = msgspec.msgpack.encode(ANALYZE.answer.encode(TextAnalysis(parts)))
            self._bodies[request.operations] = body
        analysis: TextAnalysis = ANALYZE.answer.decode(msgspec.msgpack.decode(body))
        return analysis
