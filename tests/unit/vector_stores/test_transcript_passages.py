"""Passages of a transcript: whole segments together, up to a number of words."""

from deployments.collections.source_job import WORDS, passages_of


def test_segments_stand_together_up_to_the_words_of_a_passage() -> None:
    sentence = " ".join(["word"] * 60)
    segments = [(10.0 * n, 10.0 * n + 9.0, sentence) for n in range(5)]

    found = passages_of("job1", segments)

    assert [each.id for each in found] == ["recording:job1:000000", "recording:job1:000001"]
    assert [len(each.text.split()) for each in found] == [WORDS, 120]
    assert found[0].payload == {
        "recording": "job1", "passage": 0, "start_s": 0.0, "end_s": 29.0,
    }  # fmt: skip
    assert (found[1].payload["start_s"], found[1].payload["end_s"]) == (30.0, 49.0)


def test_a_segment_without_words_is_no_passage() -> None:
    assert passages_of("job1", [(0.0, 1.0, " "), (1.0, 2.0, "")]) == []
    [only] = passages_of("job1", [(0.0, 1.0, " "), (1.0, 2.0, "yes")])
    assert (only.text, only.payload["start_s"], only.payload["end_s"]) == ("yes", 1.0, 2.0)


def test_a_long_segment_is_a_passage_of_its_own() -> None:
    long = " ".join(["word"] * (WORDS + 20))

    found = passages_of("job1", [(0.0, 1.0, "a"), (1.0, 9.0, long), (9.0, 9.5, "b")])

    assert [len(each.text.split()) for each in found] == [1, WORDS + 20, 1]
