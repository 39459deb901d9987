"""The operations of text analysis that content adds: of posts, for other operations of the API."""

from deployments.content.engagement_fit import EngagementFit
from deployments.content.optimization.operation import PostOptimization
from deployments.content.posting_time import PostingTime
from deployments.text.operation import TextOperation


def content_text_operations() -> tuple[TextOperation, ...]:
    """For `register_operation`, in the ingress (names, versions) and in Text, which runs them."""
    return PostOptimization(), PostingTime(), EngagementFit()
