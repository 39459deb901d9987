"""Posts that are hard to judge: irony, slang, negated praise. Written for this purpose.

In: a head. Out: what it and VADER say of each post. They are too few for a figure of quality, and
are published so that users see what goes wrong.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from deployments.text.heads import ShippedHead
from deployments.text.linear_head import LinearHead
from deployments.text.sentiment import LABELS, features_of
from training.heads.embedding import LocalEmbedder
from training.heads.figures import VADER_THRESHOLD, classes_of

_DATA = Path(__file__).parent / "data" / "hard_posts.json"


def judge_hard_posts(head: ShippedHead, embedder: LocalEmbedder) -> list[dict[str, Any]]:
    """Each post with the label that it should have, the head's and VADER's."""
    posts: list[tuple[str, str]] = json.loads(_DATA.read_text(encoding="utf-8"))
    texts = [text for text, _ in posts]
    features = features_of(texts, embedder.embed_all(texts))
    linear = LinearHead(head.labels, head.arrays["weights"])
    judged = np.argmax(linear.probabilities(features), axis=1)
    vader = classes_of(features[:, -1], VADER_THRESHOLD)
    return [
        {"text": text, "label": label, "head": LABELS[mine], "vader": LABELS[other]}
        for (text, label), mine, other in zip(posts, judged, vader, strict=True)
    ]
