"""What the specs of all encoder models share: the names of engines."""

from typing import Annotated

from pydantic import AfterValidator, Field

from deployments.model.encoders.engines import ENCODER_ENGINES
from deployments.model.engines.registry import AUTO

_NAMES = (AUTO, *ENCODER_ENGINES)


def _check_engine(name: str) -> str:
    if name not in _NAMES:
        raise ValueError(f"engine is '{name}'; there are {', '.join(_NAMES)}")
    return name


EncoderEngineName = Annotated[
    str, AfterValidator(_check_engine), Field(json_schema_extra={"enum": list(_NAMES)})
]
