"""Ranking: the highlights of a recording, and the evidence for each."""

from deployments.video.ranking.pinning import with_pinned
from deployments.video.ranking.ranker import RankedHighlights, rank, ranking
from deployments.video.ranking.rerank import rerank
from deployments.video.ranking.signals import WEIGHTS

__all__ = ["WEIGHTS", "RankedHighlights", "rank", "ranking", "rerank", "with_pinned"]
