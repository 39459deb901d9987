"""Options of operations that come from a caller, checked.

Flows in: a mapping of JSON values. Flows out: values of the right type and size, or InvalidRequest
naming the field.
"""

from collections.abc import Mapping
from typing import Any

from cluster.runtime.problems import InvalidRequest


def read_count(options: Mapping[str, Any], operation: str, default: int, most: int) -> int:
    """The option `count`, from 1 to `most`."""
    count = options.get("count", default)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= most:
        param = f"options.{operation}.count"
        raise InvalidRequest(f"{param}: must be a number from 1 to {most}.", param=param)
    return count


def check_names(options: Mapping[str, Any], operation: str, known: frozenset[str]) -> None:
    """Raises InvalidRequest for an option that the operation does not have."""
    for name in options:
        if name not in known:
            param = f"options.{operation}"
            raise InvalidRequest(
                f"{param}: '{str(name)[:40]}' is not an option; there are "
                f"{', '.join(sorted(known)) or 'none'}.",
                param=param,
            )
