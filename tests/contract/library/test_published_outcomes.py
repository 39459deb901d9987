"""What came of published posts, on both databases: own posts only, latest ones, oldest first."""

from dataclasses import replace

from cluster.administration.library import LibraryService
from cluster.administration.outcomes import OutcomeService
from cluster.library.status import PostTransition
from cluster.library.transitions import TransitionRequest
from cluster.outcomes.model import Outcome, PublishedPostOutcome
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.usage.pseudonyms import Pseudonyms
from tests.contract.library.conftest import ANA, BEN, draft

SEEN = Outcome("1", "impression", 90, 0, "", "post", "p", "", "", 1_700_000_000.0)


async def publish(library: LibraryService, tenant: str, id: str, text: str) -> float:
    await library.create(ANA, tenant, draft(text, id))
    await library.transition(ANA, tenant, id, None, TransitionRequest(PostTransition.SUBMIT))
    await library.transition(BEN, tenant, id, None, TransitionRequest(PostTransition.APPROVE))
    post = await library.transition(
        BEN, tenant, id, None, TransitionRequest(PostTransition.PUBLISH)
    )
    assert post.published is not None
    return post.published


async def test_published_posts_have_their_own_outcomes(
    library: LibraryService, database: Database, clock: ManualClock
) -> None:
    service = OutcomeService(database, clock, Pseudonyms(b"p" * 32))
    first = await publish(library, "acme", "p", "one")
    clock.advance(60)
    second = await publish(library, "acme", "q", "two")
    await library.create(ANA, "acme", draft("not published", "r"))
    await publish(library, "other", "p", "theirs")
    await service.record(
        "acme",
        [
            SEEN,
            replace(SEEN, id="2", name="like", count=3),
            replace(SEEN, id="3", name="share", count=2),
            replace(SEEN, id="4", name="own-thing", count=50),
            replace(SEEN, id="5", subject="q", count=10),
            replace(SEEN, id="6", subject="r", count=10),
            replace(SEEN, id="7", subject_kind="page", count=1_000),
        ],
    )
    await service.record("other", [replace(SEEN, count=7)])

    one = PublishedPostOutcome(first, "linkedin", "one", 90, 5)
    two = PublishedPostOutcome(second, "linkedin", "two", 10, 0)
    assert await service.of_published_posts("acme", 10) == (one, two)
    assert await service.of_published_posts("acme", 1) == (two,)
    [theirs] = await service.of_published_posts("other", 10)
    assert (theirs.body, theirs.impressions) == ("theirs", 7)
