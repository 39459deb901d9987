"""Models as Anthropic's API lists them.

In: cards by id. Out: a page of them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cluster.runtime.problems import InvalidRequest, Problem
from deployments.contracts.generation import ModelCard


def model_page(
    cards: Mapping[str, ModelCard | Problem],
    limit: int,
    after_id: str | None,
    before_id: str | None,
) -> dict[str, Any]:
    """At most `limit` models after or before one. Raises InvalidRequest for an unknown one."""
    ids = list(cards)
    start = 0 if after_id is None else _position(ids, after_id, "after_id") + 1
    end = len(ids) if before_id is None else _position(ids, before_id, "before_id")
    between = ids[start:end]
    page = between[-limit:] if before_id is not None and after_id is None else between[:limit]
    return {
        "data": [model_info(id, cards[id]) for id in page],
        "has_more": len(page) < len(between),
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }


def model_info(id: str, card: ModelCard | Problem) -> dict[str, Any]:
    """One model. The time is 1970 for one that does not answer now."""
    created = 0 if isinstance(card, Problem) else card.created
    instant = datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")
    return {"type": "model", "id": id, "display_name": id, "created_at": instant}


def _position(ids: list[str], id: str, field: str) -> int:
    if id not in ids:
        raise InvalidRequest(f"{field}: there is no model '{id[:100]}'.", param=field)
    return ids.index(id)
