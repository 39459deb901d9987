"""What the operator sends and gets about logs: levels that are changed, groups of errors.

Instants are Unix seconds.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cluster.logs.levels import LOGGER_PATTERN
from cluster.runtime.numbers import FLOAT32
from deployments.ingress.schemas.admin import Strict, example

LONGEST_S = 86_400
LoggerName = Annotated[str, Field(max_length=200, pattern=LOGGER_PATTERN)]


class LogLevelPut(Strict):
    """Body of `PUT /api/v1/logs/levels`: the level of a logger and those below it, for so many
    seconds."""

    model_config = example(logger="mobula.jobs", level="DEBUG", for_s=600)

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    logger: LoggerName = "mobula"
    for_s: Annotated[float, Field(ge=1, le=LONGEST_S, allow_inf_nan=False), FLOAT32] = 900.0


class LogLevelQuery(BaseModel):
    """Whose level goes back to the configured one."""

    logger: LoggerName = "mobula"


class LogLevelResponse(BaseModel):
    """A level that was changed at `set_at` and goes back at `until`."""

    model_config = ConfigDict(from_attributes=True)

    logger: str
    level: str
    until: float
    set_at: float


class LogLevelsResponse(BaseModel):
    """The configured level, and those that are changed now."""

    configured: str
    data: list[LogLevelResponse]


class ErrorGroupResponse(BaseModel):
    """Errors with one fingerprint, counted since their processes started."""

    model_config = ConfigDict(from_attributes=True)

    fingerprint: str
    logger: str
    message: str
    exception: str
    where: str
    count: int
    first: float
    last: float
    request_id: str
    tenant: str
    processes: list[str]
    trace_id: str


class ErrorGroupList(BaseModel):
    """The most recent first."""

    data: list[ErrorGroupResponse]
