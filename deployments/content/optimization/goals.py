"""How well a text does by each goal, from 0 to 1, and why.

In: texts of one task. Out: a GoalScore each; None where a goal cannot be judged, with the reason.
Every text is judged once, however many goals ask about it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import regex

from deployments.content.engagement import model_of
from deployments.content.features import COLUMN, Features, features_of
from deployments.content.optimization.draft import SHOUT, DraftText
from deployments.content.optimization.task import OptimizationTask
from deployments.content.prior_scores import prior_aspects, prior_weights
from deployments.content.text_counts import count_text, words
from deployments.text.readability import Readability, measure_sentences

# From -1 (negative) to 1 (positive), of an English text.
SentimentOf = Callable[[str], float]

_READABILITY = Readability()
_UNTIDY = regex.compile(r"[!?]{3,}|(?<=\S)[ \t]{2,}|\n{3,}|[ \t]+(?=[,;!?]|\.(?!\d))")
_STRUCTURE = {"length": 0.25, "hook": 0.25, "paragraphs": 0.15, "hashtags": 0.2, "tidiness": 0.15}
_TAG_ONLY = 0.8  # of a keyword that is there as a hashtag only
# Who judges, as `name@version`. Every version is part of OPTIMIZER's, and so of cache keys.
JUDGES = {
    "sentiment": "vader@3",
    "readability": _READABILITY.by,
    "keywords": "keyword-presence@1",
    "structure": "platform-habits@1",
    "engagement": "score-prior@1",
}
NO_KEYWORDS = "There are no `keywords` to look for."
NOT_ENGLISH = "It is judged in English only."


@dataclass(frozen=True, slots=True)
class GoalScore:
    """`value` None: it cannot be judged, as `reason` says."""

    value: float | None
    reason: str


Scores = Mapping[str, GoalScore]


@dataclass(frozen=True)
class _JudgedText:
    """A text with what several goals ask of it."""

    draft: DraftText

    @cached_property
    def row(self) -> Features:
        finished = self.draft.finished
        return features_of(finished, count_text(finished), self.draft.task.platform)

    @cached_property
    def aspects(self) -> Mapping[str, float]:
        return prior_aspects(self.row, self.draft.task.platform)

    @cached_property
    def scores(self) -> dict[str, GoalScore]:
        """Those that are known, by goal."""
        return {}


class GoalJudge:
    """Judges texts by the goals of `task`. `sentiment` None: nothing can judge that."""

    def __init__(self, task: OptimizationTask, sentiment: SentimentOf | None) -> None:
        self._task = task
        self._sentiment = sentiment
        self.model = model_of(json.loads(task.engagement)) if task.engagement else None
        self._texts: dict[str, _JudgedText] = {}
        self._assess: Mapping[str, Callable[[_JudgedText], GoalScore]] = {
            "sentiment": self._judge_sentiment,
            "readability": self._judge_readability,
            "keywords": lambda text: judge_keywords(text.draft),
            "structure": lambda text: judge_structure(text.draft, text.row, text.aspects),
            "engagement": self._judge_engagement,
        }

    def draft(self, text: str) -> DraftText:
        """The text with what is known of its parts."""
        return self._find(text).draft

    def judge(self, text: str) -> Scores:
        """The score of each goal of the task, in their order."""
        return {goal: self.score(text, goal) for goal in self._task.goals}

    def score(self, text: str, goal: str) -> GoalScore:
        """By one goal of the task; each is judged once."""
        found = self._find(text)
        score = found.scores.get(goal)
        if score is None:
            score = found.scores[goal] = self._assess[goal](found)
        return score

    def _find(self, text: str) -> _JudgedText:
        found = self._texts.get(text)
        if found is None:
            found = self._texts[text] = _JudgedText(DraftText(text, self._task))
        return found

    def _judge_sentiment(self, text: _JudgedText) -> GoalScore:
        draft = text.draft
        if not draft.is_english or self._sentiment is None:
            return GoalScore(None, NOT_ENGLISH)
        return sentiment_score(self._sentiment(draft.text) if draft.words else 0.0)

    def _judge_engagement(self, text: _JudgedText) -> GoalScore:
        prior = judge_engagement(text.draft, text.aspects)
        if self.model is None or prior.value is None:
            return prior
        [value] = self.model.scores(text.row[None, :], np.array([prior.value]))
        strongest = ", ".join(self.model.strongest(3))
        return GoalScore(float(value), f"By your own outcomes: {strongest} count most.")

    def _judge_readability(self, text: _JudgedText) -> GoalScore:
        language = self._task.language
        if language not in _READABILITY.languages:
            known = ", ".join(sorted(_READABILITY.languages))
            return GoalScore(None, f"There are formulas for {known} only.")
        draft = text.draft
        sentences = [draft.text[start:end] for start, end in draft.sentences]
        found = measure_sentences(sentences, language)
        if found is None:
            return GoalScore(0.0, "There are no words.")
        ease, pace = round(found.ease, 1), found.words_per_sentence
        reason = f"Reading ease {ease:.0f} of 100, {pace:.0f} words a sentence."
        return GoalScore(min(1.0, max(0.0, (ease - 10) / 70)), reason)


def sentiment_score(rating: float) -> GoalScore:
    """Of a rating from -1 to 1."""
    label = "positive" if rating > 0.05 else "negative" if rating < -0.05 else "neutral"
    return GoalScore((rating + 1) / 2, f"The text sounds {label} ({rating:+.2f} of -1 to 1).")


def judge_keywords(draft: DraftText) -> GoalScore:
    """1 for a keyword in the body, 0.8 as a hashtag, else half of the share of its words that are
    there; the mean over all."""
    keywords = draft.task.keywords
    if not keywords:
        return GoalScore(None, NO_KEYWORDS)
    values = [_keyword_value(draft, keyword) for keyword in keywords]
    missing = [
        keyword for keyword, value in zip(keywords, values, strict=True) if value < _TAG_ONLY
    ]
    reason = f"Missing: {', '.join(missing[:5])}." if missing else "Every keyword is there."
    return GoalScore(sum(values) / len(values), reason)


def _keyword_value(draft: DraftText, keyword: str) -> float:
    if draft.has_phrase(keyword):
        return 1.0
    if draft.has_hashtag(keyword):
        return _TAG_ONLY
    wanted = words(keyword)
    present = set(draft.words)
    return 0.5 * sum(word in present for word in wanted) / max(1, len(wanted))


def judge_structure(draft: DraftText, row: Features, aspects: Mapping[str, float]) -> GoalScore:
    """Length, opening, paragraphs, hashtags and tidiness beside the platform's habits."""
    size, sloppy = int(row[COLUMN["characters"]]), len(_UNTIDY.findall(draft.text))
    shouts = len(SHOUT.findall(draft.text))
    parts = {
        "length": aspects["length"],
        "hook": aspects["hook"],
        "paragraphs": 0.0 if row[COLUMN["is_one_block"]] else 1.0,
        "hashtags": aspects["hashtags"],
        "tidiness": max(0.0, 1 - 0.25 * (sloppy + shouts)),
    }
    low, high = draft.site.ideal_chars
    notes = {
        "length": f"{size} characters, usual are {low} to {high}",
        "hook": f"opens with {int(row[COLUMN['hook_words']])} words",
        "paragraphs": "one block of text",
        "hashtags": f"{int(row[COLUMN['hashtags']])} hashtags, usual are "
        f"{draft.site.usual_hashtags}",
        "tidiness": "untidy spaces, punctuation or capitals",
    }
    faults = [notes[name] for name, value in parts.items() if value < 0.9]
    reason = "; ".join(faults) or f"fits {draft.site.label}"
    value = sum(_STRUCTURE[name] * part for name, part in parts.items())
    return GoalScore(value, f"{reason[0].upper()}{reason[1:]}.")


def judge_engagement(draft: DraftText, aspects: Mapping[str, float]) -> GoalScore:
    """The prior: a number to rank by."""
    weights = prior_weights(draft.site.name)
    value = sum(weights[name] * part for name, part in aspects.items())
    weak = sorted(aspects, key=lambda name: weights[name] * (aspects[name] - 1))[:2]
    faults = [f"{name} {aspects[name]:.2f}" for name in weak if aspects[name] < 0.9]
    reason = f"Held back by {' and '.join(faults)}." if faults else "Nothing holds it back."
    return GoalScore(value, reason)
