"""A chain's MACs cover every field and the order, and two different links never encode alike."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.audit.chain import GENESIS, Chain, ChainedRecord, encoding, mac_of
from cluster.audit.record import AuditRecord

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
LINKS = st.builds(
    ChainedRecord,
    TEXT,
    st.integers(1, 3),
    st.floats(allow_nan=False),
    *[TEXT] * 7,
    st.just(b""),
)
KEY = b"k" * 32


@given(LINKS, LINKS)
def test_different_links_have_different_encodings(one: ChainedRecord, other: ChainedRecord) -> None:
    same = repr(one) == repr(other)  # tells 0.0 from -0.0
    assert (encoding(one, GENESIS) == encoding(other, GENESIS)) is same


def test_a_text_cannot_move_into_the_next_field() -> None:
    one = ChainedRecord("w", 1, 0.0, "ab", "c", "", "", "", "", "{}", b"")
    other = ChainedRecord("w", 1, 0.0, "a", "bc", "", "", "", "", "{}", b"")
    assert encoding(one, GENESIS) != encoding(other, GENESIS)


def test_each_link_follows_the_one_before() -> None:
    chain = Chain(KEY, "ingress-1")
    links = [chain.link(AuditRecord(0.5, "acme", "key:a", "chat", str(n))) for n in range(3)]

    before = GENESIS
    for number, link in enumerate(links, start=1):
        assert link.seq == number
        assert link.mac == mac_of(KEY, link, before)
        before = link.mac
    assert chain.mac == before
    assert mac_of(b"another key", links[0], GENESIS) != links[0].mac
