"""Numbers of callers as this server takes them: denormals as zero, whole floats as integers.

In: numbers of callers. Out: the same, but 0 for values that are 0 or denormal as float32, and for
negative zero, so that validation sees the value that an engine would divide by; and 5 for 5.0 where
an integer is wanted.
"""

from typing import Any

from pydantic import BeforeValidator

FLOAT32_TINY = 2.0**-126  # the smallest normal float32


def flush_tiny(value: Any) -> Any:
    """0.0 for a float below float32's smallest normal number; other values unchanged."""
    return 0.0 if isinstance(value, float) and abs(value) < FLOAT32_TINY else value


FLOAT32 = BeforeValidator(flush_tiny)
"""For `Annotated[float, Field(...), FLOAT32]`: bounds apply to the engine's value."""


def as_whole(value: Any) -> Any:
    """The integer for a float that is one (5 for 5.0); other values unchanged."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(as_whole)
"""For `Annotated[int, Field(...), WHOLE]`: some clients write every number as a float."""
