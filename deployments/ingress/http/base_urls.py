"""Wrong base URLs of OpenAI's clients: `/chat/completions`, `/api/v1/models`, `/v1/v1/embeddings`.

In: a path that no route has. Out: the route under `/v1` that its client means.
"""

from collections.abc import Iterable, Sequence

from cluster.runtime.problems import NotFound

PREFIX = "/v1"
MAX_SHOWN = 200  # characters of a path in a refusal


def openai_paths(paths: Iterable[str]) -> tuple[str, ...]:
    """Those under `/v1` that take no parameter, the longest first."""
    found = {path for path in paths if path.startswith(f"{PREFIX}/") and "{" not in path}
    return tuple(sorted(found, key=lambda path: (-len(path), path)))


def meant_path(path: str, known: Sequence[str]) -> str | None:
    """The one of `known` that `path` ends with, but for its prefix and slashes at the end."""
    wanted = path.rstrip("/")
    return next((each for each in known if wanted.endswith(each.removeprefix(PREFIX))), None)


def wrong_base_url(path: str, meant: str) -> NotFound:
    """The refusal of `path`, which names what was meant."""
    return NotFound(f"No route {path[:MAX_SHOWN]}; did you mean {meant}?")
