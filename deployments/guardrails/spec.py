"""Policies as the operator writes them, checked.

In: the section `guardrails` of the configuration. Out: frozen values, or pydantic's ValidationError
with the location of the invalid field.
"""

from typing import Annotated, Literal, Self

import re2
from pydantic import BaseModel, ConfigDict, Field, model_validator

from deployments.contracts.generation import Role
from deployments.guardrails.prefixes import MAX_WIDTH, InvalidExpression, prefix_expression
from deployments.text.pii_kinds import KINDS

PiiKind = Literal[
    "email",
    "url_credentials",
    "phone",
    "card",
    "iban",
    "ipv4",
    "ipv6",
    "national_id",
    "secret",
]
Direction = Literal["input", "output"]
Action = Literal["refuse", "redact", "flag"]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
# No quotation marks, backslashes or control characters: it must not end a string of JSON.
Placeholder = Annotated[str, Field(pattern=r"^[^\x00-\x1f\"\\\x7f]{1,64}$")]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Domain = Annotated[str, Field(pattern=r"^(?:[\w-]{1,63}\.)*[\w-]{2,63}$")]
Term = Annotated[str, Field(min_length=2, max_length=64)]

assert frozenset(KINDS) == frozenset(PiiKind.__args__)  # type: ignore[attr-defined]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Rule(_Part):
    """`applies_to` input, output or both; of the input only turns of `roles` (None: all). Prompts,
    and texts to embed or to rank, count as the user's, definitions of tools as the system's.
    """

    id: Id
    applies_to: Literal["input", "output", "both"] = "both"
    roles: frozenset[Role] | None = None


class _SpanRule(_Rule):
    """A rule that finds places in a text. `placeholder` replaces each if the action is redact."""

    action: Action
    placeholder: Placeholder = "[REDACTED]"


class _TextRule(_Rule):
    """A rule that judges a text as a whole, so nothing of it could be redacted."""

    action: Literal["refuse", "flag"]


class PiiRule(_SpanRule):
    """Personal data of `kinds`, found with a score of at least `min_score`. `{kind}` in the
    placeholder stands for the kind in capitals.
    """

    type: Literal["pii"]
    kinds: Annotated[tuple[PiiKind, ...], Field(min_length=1)] = KINDS  # type: ignore[assignment]
    min_score: Share = 0.5
    placeholder: Placeholder = "[{kind}]"


class WordsRule(_SpanRule):
    """Words and phrases, without case, accents and look-alike letters, also s p a c e d out.
    Without `whole_words` they are found within other words.
    """

    type: Literal["words"]
    words: Annotated[tuple[Term, ...], Field(min_length=1, max_length=1_000)]
    whole_words: bool = True

    @model_validator(mode="after")
    def _check_words(self) -> Self:
        for word in self.words:
            if sum(each.isalnum() for each in word) < 2 or not any(map(str.isalpha, word)):
                raise ValueError(f"words: '{word}' has no letter, or no two letters or digits")
        return self


class UrlsRule(_SpanRule):
    """URLs whose domain is among `deny`, or is not among `allow` (None: any may be). A domain
    stands for those below it.
    """

    type: Literal["urls"]
    allow: tuple[Domain, ...] | None = None
    deny: tuple[Domain, ...] = ()
    placeholder: Placeholder = "[URL]"

    @model_validator(mode="after")
    def _check_domains(self) -> Self:
        if self.allow is None and not self.deny:
            raise ValueError("urls: neither allow nor deny is given, so no URL could be found")
        return self


class RegexRule(_SpanRule):
    """A regular expression in the syntax of RE2, matched in linear time over the text with
    full-width characters made plain and invisible ones left out. What applies to output may match
    at most 256 characters, so that streams need to hold back no more.
    """

    type: Literal["regex"]
    pattern: Annotated[str, Field(min_length=1, max_length=2_000)]
    ignore_case: bool = False

    @model_validator(mode="after")
    def _check_pattern(self) -> Self:
        try:
            options = re2.Options()
            options.log_errors = False
            re2.compile(self.pattern, options)
            prefix_expression(self.pattern, MAX_WIDTH if self.applies_to != "input" else None)
        except (re2.error, InvalidExpression) as error:
            raise ValueError(f"pattern: {_message(error)}") from None
        return self


class LengthRule(_TextRule):
    """Texts of more than `max_characters`: each turn of the input, each choice of the output."""

    type: Literal["length"]
    max_characters: Annotated[int, Field(ge=1, le=10_000_000)]


class LanguageRule(_TextRule):
    """Texts in another language than those `allowed` (ISO 639 codes as `en`). Texts of fewer than
    `min_letters` and guesses below `min_score` pass.
    """

    type: Literal["language"]
    allowed: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], ...], Field(min_length=1)
    ]
    min_letters: Annotated[int, Field(ge=1, le=10_000)] = 20
    min_score: Share = 0.6


class InjectionRule(_TextRule):
    """Attempts to override instructions, by heuristics whose scores add up to `threshold`."""

    type: Literal["injection"]
    threshold: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.7


class ModelRule(_TextRule):
    """What a model objects to: a moderation model with a score of `threshold` or more in one of
    `categories` (None: any), or a text model that answers `question` with yes. It has `timeout_s`;
    where it fails, the text is refused or let through (`on_error`).
    """

    type: Literal["model"]
    model: Annotated[str, Field(min_length=1, max_length=200)]
    categories: frozenset[str] | None = None
    question: Annotated[str, Field(min_length=1, max_length=4_000)] | None = None
    threshold: Share = 0.5
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 2.0
    on_error: Literal["refuse", "allow"] = "refuse"


Rule = Annotated[
    PiiRule
    | WordsRule
    | UrlsRule
    | RegexRule
    | LengthRule
    | LanguageRule
    | InjectionRule
    | ModelRule,
    Field(discriminator="type"),
]


class GuardrailPolicy(_Part):
    """Rules under a name. With `on_output` a refused output ends with the finish reason
    `content_filter`, or the request fails with a problem.
    """

    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=100)]
    on_output: Literal["content_filter", "problem"] = "content_filter"

    @model_validator(mode="after")
    def _check_ids(self) -> Self:
        ids = [rule.id for rule in self.rules]
        twice = sorted({id for id in ids if ids.count(id) > 1})
        if twice:
            raise ValueError(f"rules: each id may appear once; twice: {', '.join(twice)}")
        return self


class GuardrailConfig(_Part):
    """`policies` by id; those of `default` hold for every tenant, a tenant's plan adds others.
    `window_characters` of streamed output are judged at a time by rules that judge whole texts.
    """

    policies: dict[Id, GuardrailPolicy] = {}
    default: tuple[Id, ...] = ()
    window_characters: Annotated[int, Field(ge=40, le=10_000)] = 256

    @model_validator(mode="after")
    def _check_default(self) -> Self:
        for id in self.default:
            if id not in self.policies:
                raise ValueError(f"default: '{id}' is not among policies")
        return self


def _message(error: Exception) -> str:
    found = error.args[0] if error.args else error
    return found.decode(errors="replace") if isinstance(found, bytes) else str(found)
