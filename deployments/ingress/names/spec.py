"""What the configuration says of the names under which models answer.

In: the section `names` of serve_config.yaml, and the `served_names` of models. Out: frozen values
which every ingress replica is given (resolver.py compiles them). Each class checks itself; whether
the models exist is checked by the compiler.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, time, tzinfo
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter
from pydantic import model_validator as validator

from cluster.runtime.pickle_compat import version_tolerant

DEFAULT = "default"  # what a request means that names no model
WILDCARD = "*"
REST = "{}"  # in the target of a wildcard: what `*` stands for

_NAME = r"[A-Za-z0-9][A-Za-z0-9._:@+/-]{0,99}"
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Modality = Literal["text", "tools", "structured_output", "image"]
ServedName = Annotated[str, Field(pattern=f"^{_NAME}$")]
AliasName = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9*][A-Za-z0-9._:@+/*-]*$")]
TargetName = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9{][A-Za-z0-9._:@+/{}-]*$")]
Count = Annotated[int, Field(ge=0, le=10**9)]
Pattern = Annotated[str, Field(min_length=1, max_length=100)]


def _check_alias(name: str) -> str:
    if name.count(WILDCARD) > 1:
        raise ValueError("has more than one *")
    return name


def _check_target(name: str) -> str:
    rest = name.replace(REST, "", 1)
    if "{" in rest or "}" in rest:
        raise ValueError(
            "may hold {} once, for what the wildcard's * stands for, and no other brace"
        )
    return name


def _check_zone(name: str) -> str:
    zone_of(name)
    return name


def zone_of(name: str) -> tzinfo:
    """The IANA time zone. Raises ValueError where this machine does not know it."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise ValueError(f"'{name}' is no time zone that this machine knows") from None


Alias = Annotated[AliasName, AfterValidator(_check_alias)]
Target = Annotated[TargetName, AfterValidator(_check_target)]


class _NamesPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WeightedTargets(_NamesPart):
    """Models between which requests are divided in proportion to `weights`; 0: no request.

    The choice is by a hash of the request id. With `sticky: user` it is by the end user whom the
    request names, else by the beginning of the conversation, so that one stays with one model.
    """

    weights: Annotated[
        dict[Target, Annotated[int, Field(ge=0, le=1_000_000)]],
        Field(min_length=1, max_length=100),
    ]
    sticky: Literal["none", "user"] = "none"

    @validator(mode="after")
    def _check_weights(self) -> Self:
        if not any(self.weights.values()):
            raise ValueError("weights: at least one must be above 0")
        return self


def _choice_tag(value: Any) -> str:
    if isinstance(value, str):
        return "model"
    is_routed = isinstance(value, RoutedTargets) or (
        isinstance(value, Mapping) and "rules" in value
    )
    return "rules" if is_routed else "weights"


Targets = Annotated[
    Annotated[Target, Tag("model")] | Annotated[WeightedTargets, Tag("weights")],
    Discriminator(lambda value: "model" if isinstance(value, str) else "weights"),
]


class RoutingRule(_NamesPart):
    """`to` answers requests that meet all of these conditions; at least one must be given.

    Prompts are measured in bytes of UTF-8, or in tokens as estimated from these (three bytes
    each); the bounds belong to the range. A request is of the modality `image` where it has
    pictures, of `tools` where tools may be called, of `structured_output` where its answer's form
    is given, else of `text`; it must be of one of `modalities`. `hours` is a span such as
    `08:00-18:00` without its end, on `days` in `zone`; one that goes over midnight belongs to the
    day on which it begins. `plans` and `tenants` are ids or patterns of ids such as `trial-*`.
    """

    to: Targets
    min_prompt_bytes: Count | None = None
    max_prompt_bytes: Count | None = None
    min_prompt_tokens: Count | None = None
    max_prompt_tokens: Count | None = None
    modalities: Annotated[tuple[Modality, ...], Field(min_length=1)] | None = None
    days: Annotated[tuple[Day, ...], Field(min_length=1)] | None = None
    hours: Annotated[str, Field(pattern=r"^\d\d:\d\d-\d\d:\d\d$")] | None = None
    zone: Annotated[str, Field(max_length=100), AfterValidator(_check_zone)] = "UTC"
    plans: Annotated[tuple[Pattern, ...], Field(min_length=1)] | None = None
    tenants: Annotated[tuple[Pattern, ...], Field(min_length=1)] | None = None

    @validator(mode="after")
    def _check_conditions(self) -> Self:
        if not self.model_fields_set - {"to", "zone"}:
            raise ValueError("has no condition; what holds for all other requests is `otherwise`")
        if self.hours is not None:
            span_of(self.hours)
        for unit in ("bytes", "tokens"):
            least = getattr(self, f"min_prompt_{unit}")
            most = getattr(self, f"max_prompt_{unit}")
            if least is not None and most is not None and least > most:
                raise ValueError(f"min_prompt_{unit}: {least} is more than the maximum, {most}")
        return self


class RoutedTargets(_NamesPart):
    """The first of `rules` whose conditions are met says who answers, else `otherwise`.

    A rule is passed over where the caller may use none of its models.
    """

    rules: Annotated[tuple[RoutingRule, ...], Field(min_length=1, max_length=100)]
    otherwise: Targets


AliasTarget = Annotated[
    Annotated[Target, Tag("model")]
    | Annotated[WeightedTargets, Tag("weights")]
    | Annotated[RoutedTargets, Tag("rules")],
    Discriminator(_choice_tag),
]


class NamesSpec(_NamesPart):
    """Other names of models, by which requests may ask for them.

    `aliases` maps a name to a model's id, to another alias, to weights or to rules. A name with one
    `*` is a wildcard; `{}` in its target is what the `*` stands for. A model's id always means that
    model; then come aliases, then the most specific wildcard. `default` answers requests that name
    no model, `default_embedding` those for embeddings; a tenant's settings go before both.
    """

    aliases: Annotated[dict[Alias, AliasTarget], Field(max_length=1_000)] = {}
    default: Target | None = None
    default_embedding: Target | None = None


@version_tolerant
@dataclass(frozen=True, slots=True)
class NameSettings:
    """The section `names`, and the further names of each model by its id. Requests may also name
    what begins with one of `discovered`: models that are found while the cluster runs."""

    spec: NamesSpec = NamesSpec()
    served_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    discovered: tuple[str, ...] = ()


_SETTINGS = TypeAdapter(NameSettings)


def dump_settings(settings: NameSettings) -> str:
    """As JSON, for `load_settings`."""
    return _SETTINGS.dump_json(settings).decode()


def load_settings(text: str) -> NameSettings:
    """Raises ValueError."""
    return _SETTINGS.validate_json(text)


def span_of(hours: str) -> tuple[time, time]:
    """Begin and end of `HH:MM-HH:MM`; 24:00 is the end of a day. Raises ValueError."""
    begin, _, end = hours.partition("-")
    try:
        span = time.fromisoformat(begin), time.fromisoformat("00:00" if end == "24:00" else end)
    except ValueError:
        raise ValueError(f"hours: '{hours}' is no span of a day such as 08:00-18:00") from None
    if begin == end:
        raise ValueError(f"hours: '{hours}' begins when it ends; leave it out for the whole day")
    return span
