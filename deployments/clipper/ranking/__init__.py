"""Which moments of a recording are worth a clip, and why."""

from deployments.clipper.ranking.ranker import RankedHighlights, rank, ranking
from deployments.clipper.ranking.rerank import rerank
from deployments.clipper.ranking.signals import WEIGHTS

__all__ = ["WEIGHTS", "RankedHighlights", "rank", "ranking", "rerank"]
