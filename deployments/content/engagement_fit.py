"""What a tenant's outcomes say about its posts, as an operation of text analysis.

Flows in: posts with their outcomes, oldest first. Flows out: an engagement model as JSON, which
calls of the optimisation carry. The ingress asks for it from time to time; no caller can name it.
"""

import numpy as np

from deployments.content.engagement import engagement_rates, fit_engagement
from deployments.content.features import FEATURES, features
from deployments.content.platforms import platforms
from deployments.content.prior_scores import prior_scores
from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import OperationResult
from deployments.text.operation import AnalyzedText, Options, PlainOperation

ENGAGEMENT_FIT = "engagement-fit"
MAX_POSTS = 1_000
MAX_READ = 3_000  # characters of a post


class EngagementFit(PlainOperation):
    """Implements TextOperation. Option: `posts`, rows of platform, text, impressions, engagements.
    Value: the model, as `EngagementModel.body()`."""

    name = ENGAGEMENT_FIT
    by = "engagement-ridge@1"

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        known = {site.name for site in platforms()}
        posts = [post for post in options["posts"] if post[0] in known and post[2] > 0]
        rows = np.zeros((len(posts), len(FEATURES)), dtype=np.float32)
        for index, (site, body, _, _) in enumerate(posts):
            rows[index] = features(body[:MAX_READ], site)
        prior = [
            float(prior_scores(row[None, :], post[0])[0])
            for row, post in zip(rows, posts, strict=True)
        ]
        seen, done = (np.array([post[at] for post in posts], dtype=np.float64) for at in (2, 3))
        model = fit_engagement(rows, np.array(prior), engagement_rates(done, seen))
        return OperationResult(self.by, model.body())
