"""Which moments of a recording are worth a clip, and why."""

from deployments.video.ranking.ranker import RankedHighlights, rank, ranking
from deployments.video.ranking.rerank import rerank
from deployments.video.ranking.signals import WEIGHTS

__all__ = ["WEIGHTS", "RankedHighlights", "rank", "ranking", "rerank"]
