"""The JSON Schema of the estate file, for editors that complete and check while one types."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from qorridor.base.units import Quantity
from qorridor.estate.model import Estate

DRAFT = "http://json-schema.org/draft-07/schema#"


class _Generator(GenerateJsonSchema):
    """Defaults are written as in the file: with their unit."""

    def encode_default(self, dft: Any) -> Any:
        return str(dft) if isinstance(dft, Quantity) else super().encode_default(dft)


@cache
def json_schema() -> dict[str, Any]:
    """JSON Schema of an estate. It is labelled draft-07, which the TOML editors enforce."""
    schema = Estate.model_json_schema(by_alias=True, schema_generator=_Generator)
    return {"$schema": DRAFT, **schema, "title": "Qorridor estate, schema 1"}
