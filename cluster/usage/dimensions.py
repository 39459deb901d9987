"""Whom usage is for, beside its tenant, key and model: a team, an end user, tags, a provider.

Flows in: a caller and the tags of its request. Flows out: CallDimensions, which the ledger sums by.
A call has one provider, at most one team and one end user, and up to MAX_TAGS tags; with several
tags it counts once for each.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

Dimension = Literal["team", "end_user", "tag", "provider"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
OTHER = "other"  # the value of what exceeds a limit on the number of values
MAX_VALUES = 10_000  # of a tenant's dimension in a day
MAX_TAGS = 5
MAX_TAG = 64  # characters


class CallDimensions(NamedTuple):
    """`team` and `end_user` are empty where there is none. In what is stored, `end_user` is a
    pseudonym (pseudonyms.py).
    """

    team: str = ""
    end_user: str = ""
    tags: tuple[str, ...] = ()

    def without_names(self) -> "CallDimensions":
        """The same where too many values are waiting to be stored."""
        return CallDimensions(self.team, self.end_user and OTHER, (OTHER,) if self.tags else ())

    def values(self, provider: str) -> Iterator[tuple[Dimension, str]]:
        """Each dimension and value that the usage counts for."""
        yield "provider", provider
        if self.team:
            yield "team", self.team
        if self.end_user:
            yield "end_user", self.end_user
        for tag in dict.fromkeys(self.tags):
            yield "tag", tag


NO_DIMENSIONS = CallDimensions()
