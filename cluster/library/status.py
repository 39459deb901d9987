"""The statuses of a post, and the transitions between them.

    draft -> in_review -> approved -> scheduled -> published -> archived

Each step back has a name of its own. What is not in RULES is illegal (tests/unit/library). A
post's text can be changed as a draft only, so what was approved is what is published.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from cluster.tenants.caller import Scope


class PostStatus(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    ARCHIVED = "archived"


class PostTransition(StrEnum):
    """What callers ask for. Those who publish say so: Mobula posts to no network."""

    SUBMIT = "submit"
    APPROVE = "approve"
    SCHEDULE = "schedule"
    PUBLISH = "publish"
    ARCHIVE = "archive"
    RESCHEDULE = "reschedule"
    WITHDRAW = "withdraw"  # steps back from here on
    REJECT = "reject"
    REOPEN = "reopen"
    UNSCHEDULE = "unschedule"
    RETRACT = "retract"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class TransitionRule:
    """From which statuses to which one, and the scope that it takes."""

    sources: frozenset[PostStatus]
    target: PostStatus
    scope: Scope = Scope.LIBRARY_WRITE


def _from(*sources: PostStatus) -> frozenset[PostStatus]:
    return frozenset(sources)


_S, _T = PostStatus, PostTransition
RULES: Mapping[PostTransition, TransitionRule] = MappingProxyType(
    {
        _T.SUBMIT: TransitionRule(_from(_S.DRAFT), _S.IN_REVIEW),
        _T.APPROVE: TransitionRule(_from(_S.IN_REVIEW), _S.APPROVED, Scope.LIBRARY_APPROVE),
        _T.SCHEDULE: TransitionRule(_from(_S.APPROVED), _S.SCHEDULED),
        _T.PUBLISH: TransitionRule(_from(_S.APPROVED, _S.SCHEDULED), _S.PUBLISHED),
        _T.ARCHIVE: TransitionRule(_from(_S.DRAFT, _S.APPROVED, _S.PUBLISHED), _S.ARCHIVED),
        _T.RESCHEDULE: TransitionRule(_from(_S.SCHEDULED), _S.SCHEDULED),
        _T.WITHDRAW: TransitionRule(_from(_S.IN_REVIEW), _S.DRAFT),
        _T.REJECT: TransitionRule(_from(_S.IN_REVIEW), _S.DRAFT, Scope.LIBRARY_APPROVE),
        _T.REOPEN: TransitionRule(_from(_S.APPROVED), _S.DRAFT),
        _T.UNSCHEDULE: TransitionRule(_from(_S.SCHEDULED), _S.APPROVED),
        _T.RETRACT: TransitionRule(_from(_S.PUBLISHED), _S.APPROVED),
        _T.RESTORE: TransitionRule(_from(_S.ARCHIVED), _S.DRAFT),
    }
)
TIMED = frozenset({_T.SCHEDULE, _T.RESCHEDULE})  # these take a time


def transitions_from(status: PostStatus) -> tuple[PostTransition, ...]:
    """What is possible from here, whoever asks."""
    return tuple(name for name, rule in RULES.items() if status in rule.sources)
