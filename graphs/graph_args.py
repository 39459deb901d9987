"""The base of all args of the graph."""

from pydantic import BaseModel, ConfigDict


class GraphArgs(BaseModel):
    """Errors do not quote what was given, which may be a key in the wrong place."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
