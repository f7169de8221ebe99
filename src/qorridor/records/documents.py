"""The Assessment, the Plan and the Diagnosis: versioned JSON documents that carry the digests of what they rest on."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qorridor.base.errors import EstateError
from qorridor.base.units import BitRate, Decibel, Duration, Kilometre
from qorridor.estate.quantities import FromText

Rate = Annotated[BitRate, FromText(BitRate)]
Loss = Annotated[Decibel, FromText(Decibel)]
Length = Annotated[Kilometre, FromText(Kilometre)]
Span = Annotated[Duration, FromText(Duration)]


class Record(BaseModel):
    """Part of a document: closed and unchangeable."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Head(Record):
    """What every document carries: tool version and SHA-256 of each input by name."""

    tool_version: str
    inputs: dict[str, str]


class Reason(Record):
    """A rule that matched and the facts that it used."""

    rule: str
    text: str


class FlowAssessment(Record):
    """Exposure of one flow and the mechanism that it deserves.

    Years are calendar years as decimals; probabilities 0 to 1. `exposed_from` is the date from which
    what is sent may still be secret when it can be read; None where nothing is exposed.
    """

    name: str
    carries: list[str]
    sensitivity: str
    keep_secret_years: float | None
    migration_years: float | None
    threat_years: float
    must_hold_until: int | None
    exposed: bool
    exposed_from: date | None
    hndl_probability: float | None
    backlog: str
    base: str
    overlay: str
    mechanism: Literal[
        "inventory first", "keep", "PQC baseline", "hybrid corridor", "research pilot beside PQC"
    ]
    because: list[Reason]
    unknown: list[str]


class Assessment(Head):
    """Per flow: exposure, mechanism and reasons; `as_of` is the day on which it was judged."""

    schema_: Literal["qorridor/assessment/1"] = Field(default="qorridor/assessment/1", alias="schema")
    as_of: date
    coverage: float | None
    flows: list[FlowAssessment]
    not_evaluated: list[str]
    limits: list[str]

    def worst(self, count: int) -> list[FlowAssessment]:
        """The flows with the highest probability of later disclosure first; unknown ones lead."""
        return sorted(
            self.flows, key=lambda flow: (flow.hndl_probability is not None, -(flow.hndl_probability or 0))
        )[:count]


class ChosenSource(Record):
    """Mean photon numbers, brightest first, the probability of each, and that of the key basis."""

    intensities: list[float]
    probabilities: list[float]
    key_basis: float


class BlockInRun(Record):
    """What a link of `run` is set to over one fibre, and yields: detections of the key basis in a block, its key
    in bits, fixed beforehand, how long it takes, its source, and how the ends reconcile."""

    n_key: int
    length: int
    block_time: Span
    secret_key_rate: Rate
    source: ChosenSource
    engine: str


class BlockPlan(Record):
    """What blocks of n_key detections yield on one fibre, with the margins of a length fixed beforehand: the
    preset's source at face value, and one chosen for this loss; a rate of None means no key at all.

    `source` says which of the two the link takes, `run` what it then does, in larger blocks where these yield
    no key; None where it does not start.
    """

    proof: str
    n_key: int
    secret_key_rate: Rate | None
    limit: str
    optimised_secret_key_rate: Rate | None
    optimised_source: ChosenSource | None
    source: Literal["optimised", "preset"] = "optimised"
    run: BlockInRun | None = None


class SpanPlan(Record):
    """One fibre and what a link over it would yield; `margin_db` is negative where nothing is left."""

    name: str
    between: tuple[str, str]
    length: Length
    loss: Loss
    loss_source: Literal["measured", "model"]
    lit: bool
    preset: str
    simulated: bool
    secret_key_rate: Rate
    bound: Rate
    margin_db: float
    verdict: Literal["ok", "tight", "infeasible"]
    binding: str
    remedies: list[str]
    blocks: BlockPlan | None = None


class CorridorPlan(Record):
    """One corridor: its path, its trusted nodes, and whether its keys suffice."""

    name: str
    flow: str
    path: list[str]
    links: list[str]
    trusted_nodes: list[str]
    secret_key_rate: Rate
    demand: Rate
    reserve_keys: int
    reserve_filled_in: Span | None
    feasible: bool
    binding: str
    simulated: bool
    notes: list[str]


class Plan(Head):
    """Fibres and corridors with rates by the link model; a planning figure, no promise."""

    schema_: Literal["qorridor/plan/1"] = Field(default="qorridor/plan/1", alias="schema")
    spans: list[SpanPlan]
    corridors: dict[str, CorridorPlan]
    limits: list[str]


class LinkDiagnosis(Record):
    """Why one link aborts: causes that the samples leave open, most likely first; advice, never a release."""

    link: str
    causes: list[Literal["interception", "fibre damage", "calibration drift", "unknown"]]
    evidence: list[str]
    separated_by: str
    severity: Literal["P1", "P2", "P3", "P4"]
    aborted_blocks: int
    simulated: bool


class Diagnosis(Head):
    """Links of a run that abort their blocks; `at` is RFC 3339 UTC, `silent` the sites that did not answer."""

    schema_: Literal["qorridor/diagnosis/1"] = Field(default="qorridor/diagnosis/1", alias="schema")
    at: str
    links_seen: list[str]
    findings: list[LinkDiagnosis]
    silent: list[str]
    limits: list[str]


KINDS: dict[str, type[Head]] = {"assessment": Assessment, "plan": Plan, "diagnosis": Diagnosis}
_MADE_BY = {"assessment": "qorridor assess", "diagnosis": "qorridor watch --once --diagnosis FILE"}
Document = TypeVar("Document", bound=Head)


def write(document: Head) -> str:
    """The document as JSON text; equal documents give equal bytes."""
    return document.model_dump_json(indent=2, by_alias=True) + "\n"


def read(kind: type[Document], text: str, where: str) -> Document:
    """A document from JSON text; raises EstateError Q-ESTATE-031 for another kind, version or form."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the text"
        word = kind.__name__.lower()
        raise EstateError(
            "Q-ESTATE-031", f"this is no {word} document of this version: {place} does not fit",
            f"make it again with `{_MADE_BY.get(word, f'qorridor {word}')}`", where,
        ) from None  # fmt: skip


def schema_of(name: str) -> dict[str, Any]:
    """JSON Schema of `assessment`, `plan` or `diagnosis`."""
    return KINDS[name].model_json_schema(by_alias=True)
