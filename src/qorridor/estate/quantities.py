"""Quantities of `base.units` as pydantic fields: read from text with a unit, a bare number is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from qorridor.base.units import (
    BitRate,
    Decibel,
    DecibelMilliwatt,
    DecibelPerKilometre,
    Duration,
    Kilometre,
    Money,
    Quantity,
    Rate,
)


def said(cause: str, remedy: str) -> PydanticCustomError:
    """A refusal in our own words; `read` hands both halves on unchanged."""
    return PydanticCustomError("said", "{cause}; {remedy}", {"cause": cause, "remedy": remedy})


@dataclass(frozen=True)
class FromText:
    """How a field of the type `kind` is read; `least` and `most` are its bounds in the base unit."""

    kind: type[Quantity | Money]
    least: float = 0.0
    most: float = math.inf

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.to_string_ser_schema()
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        return {"type": "string", "title": self.kind.__name__, "examples": [self.kind.example]}

    def read(self, value: object) -> Quantity | Money:
        """The quantity; raises a refusal with cause and example for everything else."""
        if isinstance(value, self.kind):
            return value
        example = f'write for example "{self.kind.example}"'
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise said("this is no quantity", example)
        try:
            quantity = self.kind.parse(str(value))
        except ValueError as error:
            cause, _, remedy = str(error).partition("; ")
            raise said(cause, remedy or example) from None
        if isinstance(quantity, Quantity) and quantity < self.least:
            raise said(f"{quantity} is below {type(quantity)(self.least)}", example)
        if isinstance(quantity, Quantity) and quantity > self.most:
            raise said(f"{quantity} is above {type(quantity)(self.most)}", example)
        return quantity


_YEAR = 31_557_600.0  # seconds
Length = Annotated[Kilometre, FromText(Kilometre, least=1e-3)]
Loss = Annotated[Decibel, FromText(Decibel)]
Attenuation = Annotated[DecibelPerKilometre, FromText(DecibelPerKilometre)]
Launch = Annotated[DecibelMilliwatt, FromText(DecibelMilliwatt, least=-150.0)]
Span = Annotated[Duration, FromText(Duration, most=1000 * _YEAR)]  # how long data must stay secret
Interval = Annotated[Duration, FromText(Duration, least=1.0, most=100 * _YEAR)]  # what a clock of ours awaits
Traffic = Annotated[BitRate, FromText(BitRate, least=1.0, most=1e18)]  # far above what one fibre carries
Pace = Annotated[Rate, FromText(Rate, least=1e-3, most=1e6)]
Price = Annotated[Money, FromText(Money)]
