"""Numbers as models and engines take them: float32, in which the tiniest values are 0.

In: numbers that callers send. Out: the same, but 0 for what is 0 (or denormal) as a float32 and for
negative zero. An engine that got such a value would divide by 0 where the schema has seen none.
"""

from typing import Any

from pydantic import BeforeValidator

FLOAT32_TINY = 2.0**-126  # the smallest normal float32


def flush_tiny(value: Any) -> Any:
    """0.0 for a float below float32's smallest normal number; anything else as it is."""
    return 0.0 if isinstance(value, float) and abs(value) < FLOAT32_TINY else value


FLOAT32 = BeforeValidator(flush_tiny)
"""For `Annotated[float, Field(...), FLOAT32]`: bounds are checked on what engines would get."""
