"""Templates of tenants, their versions and labels, as values; and what refuses to store them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.runtime.problems import Conflict, NotFound
from cluster.templates.document import TemplateDocument


@dataclass(frozen=True, slots=True)
class TemplateLimits:
    """Of each tenant: templates, bytes of all versions and examples; of each template: versions."""

    max_count: int = 200
    max_versions: int = 200
    max_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True)
class Template:
    """`labels` maps labels to numbers of versions; that of `production` is active. `latest` is the
    number of the last version that was made. Times are Unix seconds.
    """

    id: str
    description: str
    require_tests: bool
    latest: int
    created: float
    updated: float
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """An immutable version. `passed` names the examples that it has passed last (None: none);
    `activated` is when a label first pointed to it (None: never, it is a draft).
    """

    template: str
    number: int
    author: str
    note: str
    document: TemplateDocument
    passed: str | None
    created: float
    activated: float | None


@dataclass(frozen=True, slots=True)
class LabelMove:
    """A label points to `version`; before, to `previous` (None: to none)."""

    label: str
    version: int
    previous: int | None


class TemplateQuotaExceeded(Conflict):
    """A tenant, or a template, has as much as is allowed; `limit` is how much."""

    slug, title = "template-quota-exceeded", "Too many templates or versions are stored"

    def __init__(self, param: str, what: str, limit: int) -> None:
        super().__init__(
            f"{param}: at most {limit} {what}; delete some first.", param=param, limit=limit
        )


class TemplateNotTested(Conflict):
    """The template requires that a version has passed its examples before it is activated."""

    slug, title = "template-not-tested", "The version has not passed its template's examples"

    def __init__(self, template: str, number: int, why: str) -> None:
        super().__init__(
            f"version: '{template}' requires tests, and version {number} {why}.", param="version"
        )


def no_template(id: str, param: str = "template") -> NotFound:
    return NotFound(f"{param}: there is no template '{id[:64]}'.", param=param)


def no_version(id: str, number: int, param: str = "version") -> NotFound:
    return NotFound(f"{param}: template '{id[:64]}' has no version {number}.", param=param)
