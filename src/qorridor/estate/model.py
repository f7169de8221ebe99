"""The estate: what the organisation has and wants. One class per table of the estate file."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, StringConstraints, model_validator

from qorridor.base import names
from qorridor.base.errors import EstateError
from qorridor.base.units import Duration, Rate
from qorridor.estate.drivers import EncryptorDriver, LinkDriver, ScanDriver, SinkDriver, StoreDriver, Table
from qorridor.estate.quantities import (
    Attenuation,
    Interval,
    Launch,
    Length,
    Loss,
    Pace,
    Price,
    Span,
    Traffic,
    said,
)

Name = Annotated[str, StringConstraints(pattern=rf"^{names.NAME.pattern}$")]
Sensitivity = Literal["public", "internal", "confidential", "restricted", "secret"]
Threat = Literal["opportunistic", "criminal", "state"]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]


def _fallback(value: object) -> object:
    if value == "traditional":
        raise said(
            "a fallback to traditional algorithms is refused: a later computer reads what is recorded",
            'write "pqc" or "stop"',
        )
    return value


def _combiner(text: str) -> str:
    parts = [part.strip() for part in text.split("+")]
    unknown = [part for part in parts if part not in {"qkd", "pqc", "traditional"}]
    if unknown or len(set(parts)) != len(parts) or "pqc" not in parts:
        raise said(f'"{text}" is no combiner', 'write "qkd + pqc + traditional"')
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise said("the name holds a control character", 'write for example organisation = "Meridian Bank"')
    return text


def _number(value: object) -> object:
    if isinstance(value, bool):  # Python takes True for 1
        raise said("this is not a whole number", "write schema = 1")
    return value


Fallback = Annotated[Literal["pqc", "stop"], BeforeValidator(_fallback)]


class Threats(Table):
    """Years by whose end a cryptographically relevant quantum computer exists with 5, 50 and 95 %."""

    earliest: int = Field(ge=2024, le=2200)
    expected: int = Field(ge=2024, le=2200)
    latest: int = Field(ge=2024, le=2200)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.earliest < self.expected < self.latest:
            raise said("the three years do not rise", "write earliest < expected < latest")
        return self


class Timing(Table):
    """Hysteresis of the corridor's states; a span left out follows from the rekey interval."""

    window: Interval | None = None
    no_fresh_key: Interval | None = None
    down_factor: float = Field(default=0.8, gt=0, le=10)
    up_factor: float = Field(default=1.2, gt=0, le=10)
    return_after: Span = Duration(600)
    dwell: Span = Duration(60)
    max_transitions_per_hour: int = Field(default=6, ge=1, le=100_000)

    @model_validator(mode="after")
    def _hysteresis(self) -> Self:
        if self.down_factor >= self.up_factor:
            raise said(
                "down_factor is not below up_factor",
                "write for example down_factor = 0.8 and up_factor = 1.2",
            )
        return self

    def window_for(self, rekey: Duration) -> Duration:
        """Span over which fresh keys are averaged: max(10 min, 5 T) unless stated."""
        return self.window or Duration(max(600.0, 5 * rekey))

    def no_fresh_key_for(self, rekey: Duration) -> Duration:
        """Span without a fresh key after which a corridor is dry: max(60 s, 2 T) unless stated."""
        return self.no_fresh_key or Duration(max(60.0, 2 * rekey))


class Policy(Table):
    """The rule for every flow, unless a flow says otherwise."""

    baseline: Literal["ML-KEM-768", "ML-KEM-1024"] = "ML-KEM-768"
    combiner: Annotated[str, AfterValidator(_combiner)] = "qkd + pqc + traditional"
    fallback: Fallback = "stop"
    fallback_limit: Interval = Duration(86400)
    quantum_threat: Threats = Threats(earliest=2030, expected=2035, latest=2045)
    migration_time: Span | None = None
    threat: Threat | None = None
    maturity: int | None = Field(default=None, ge=0, le=5)
    timing: Timing = Timing()

    @property
    def suite(self) -> str:
        """The combiner suite of QCOMB-1 that the baseline selects."""
        strong = self.baseline == "ML-KEM-1024"
        return "MLKEM1024-P384-HKDF-SHA384" if strong else "MLKEM768-X25519-HKDF-SHA384"


class DataClass(Table):
    """A kind of data and how long it must stay secret."""

    keep_secret: Span | None = None
    sensitivity: Sensitivity = "internal"
    regulation: tuple[str, ...] = Field(default=(), strict=False)
    owner: str | None = None


class TrustedNode(Table):
    """How a room is secured in which keys are relayed in clear."""

    caged: bool = False
    alarmed: bool = False
    two_person: bool = False


class Site(Table):
    """A building; `node` is where its Qorridor node listens, `at` latitude and longitude in degrees."""

    at: tuple[Latitude, Longitude] | None = Field(default=None, strict=False)
    owner: str | None = None
    node: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,253}(?::[0-9]{1,5})?$")
    trusted_node: TrustedNode | None = None


class Coexistence(Table):
    """Other traffic in the same strand; `launch` is the power per channel."""

    channels: int = Field(ge=1, le=192)
    launch: Launch
    band: Literal["O", "C", "L"] = "C"


class Fibre(Table):
    """A fibre that is owned, leased or could be leased; a measured `loss` replaces the model."""

    between: tuple[str, str] = Field(strict=False)
    length: Length
    loss: Loss | None = None
    attenuation: Attenuation | None = None
    dark: bool | None = None
    coexists: Coexistence | None = None
    lease: Price | None = None
    owner: str | None = None
    provider: str | None = None

    @model_validator(mode="after")
    def _dark_or_lit(self) -> Self:
        if self.dark and self.coexists:
            raise said("a dark fibre carries no other traffic", "leave out dark = true or coexists")
        return self

    @property
    def is_dark(self) -> bool:
        """No other traffic in the strand."""
        return self.coexists is None


class Flow(Table):
    """Traffic from site to site with its data classes and its encryptor."""

    origin: str = Field(alias="from")
    destination: str = Field(alias="to")
    carries: tuple[str, ...] = Field(strict=False, min_length=1)
    rate: Traffic | None = None
    protected_by: EncryptorDriver | None = None
    rekey: Interval = Duration(3600)
    fallback: Fallback | None = None
    fallback_limit: Interval | None = None
    migration_time: Span | None = None
    threat: Threat | None = None
    owner: str | None = None


class Corridor(Table):
    """One flow, its path of links and trusted nodes, and the keys held back for a cut."""

    flow: str
    path: tuple[str, ...] = Field(strict=False, min_length=2)
    reserve: Interval = Duration(86400)
    links: dict[Name, LinkDriver] = Field(alias="link", default_factory=dict)

    @property
    def hops(self) -> list[tuple[str, str]]:
        """Neighbouring sites in path order."""
        return list(zip(self.path, self.path[1:], strict=False))


class Sae(Table):
    """A foreign encryptor that asks our KME for keys."""

    site: str
    speaks: Literal["etsi-014", "skip"]
    certificate: str = ""
    """May be missing only where it speaks SKIP with a pre-shared key."""
    system_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{0,64}$")] = ""
    """Its localSystemID in SKIP, which is also the identity of its pre-shared key; its name without it."""
    may_pair_with: tuple[str, ...] = Field(default=(), strict=False)
    requests: Pace = Rate(200.0)
    keys: Pace | None = None
    """Keys of 256 bits over time that it may take as initiator; no quota without it."""


class Runs(Table):
    """First and last day of a pilot."""

    start: date = Field(alias="from")
    until: date

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.until <= self.start:
            raise said(
                "the pilot ends before it starts", "write runs = { from = 2027-01-11, until = 2027-04-11 }"
            )
        return self


class Pilot(Table):
    """A time-boxed corridor and the conditions that end it."""

    corridor: str
    runs: Runs
    exit: tuple[str, ...] = Field(strict=False, min_length=1)


class Store(Table):
    """Where keys lie."""

    keys: StoreDriver


class Estate(Table):
    """The whole estate. Tables are mappings from name to entry, in the order of the file."""

    schema_: Annotated[Literal[1], BeforeValidator(_number)] = Field(alias="schema")
    organisation: Annotated[str, AfterValidator(_printable)] = Field(min_length=1, max_length=128)
    policy: Policy = Policy()
    data: dict[Name, DataClass] = {}
    scans: dict[Name, ScanDriver] = Field(alias="scan", default={})
    sites: dict[Name, Site] = Field(alias="site", default={})
    fibres: dict[Name, Fibre] = Field(alias="fibre", default={})
    flows: dict[Name, Flow] = Field(alias="flow", default={})
    corridors: dict[Name, Corridor] = Field(alias="corridor", default={})
    saes: dict[Name, Sae] = Field(alias="sae", default={})
    pilots: dict[Name, Pilot] = Field(alias="pilot", default={})
    sinks: dict[Name, SinkDriver] = Field(alias="sink", default={})
    store: Store | None = None
    _source: str = PrivateAttr(default="estate.toml")
    _digest: str = PrivateAttr(default="")
    _lines: dict[tuple[str, ...], int] = PrivateAttr(default_factory=dict)

    @property
    def source(self) -> str:
        """Where the text came from."""
        return self._source

    @property
    def digest(self) -> str:
        """SHA-256 of the text that was read, hexadecimal."""
        return self._digest

    def line(self, *path: str) -> int:
        """The line on which the longest known part of a path stands, from 1."""
        return next((self._lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._lines), 1)

    def corridor(self, name: str) -> Corridor:
        """The corridor of that name; raises EstateError Q-ESTATE-020 for a name that the estate lacks."""
        if name in self.corridors:
            return self.corridors[name]
        known = ", ".join(self.corridors) or "none"
        raise EstateError(
            "Q-ESTATE-020", f'the estate names no corridor "{name}"; it names {known}',
            "add a table [corridor.NAME] or choose one of those", self.source,
        )  # fmt: skip

    def fibres_between(self, a: str, b: str) -> list[str]:
        """Names of all fibres that join two sites, in the order of the file."""
        return [name for name, fibre in self.fibres.items() if {*fibre.between} == {a, b}]

    def fibre_between(self, a: str, b: str) -> str | None:
        """Name of the first fibre that joins two sites."""
        return next(iter(self.fibres_between(a, b)), None)

    def link_names(self, corridor: str) -> list[str]:
        """Names of a corridor's links (each that of its fibre), in path order."""
        entry = self.corridor(corridor)
        between = [self.fibres_between(*hop) for hop in entry.hops]
        return [next((name for name in found if name in entry.links), found[0]) for found in between]

    def corridors_of(self, flow: str) -> list[str]:
        """Names of the corridors that a flow has."""
        return [name for name, corridor in self.corridors.items() if corridor.flow == flow]

    def fallback_of(self, flow: str) -> Literal["pqc", "stop"]:
        """What a dry corridor of this flow does."""
        return self.flows[flow].fallback or self.policy.fallback

    def fallback_limit_of(self, flow: str) -> Duration:
        """The longest episode without QKD keys that this flow allows."""
        return self.flows[flow].fallback_limit or self.policy.fallback_limit


def trust_domain(estate: Estate) -> str:
    """The SPIFFE trust domain of the organisation."""
    return names.trust_domain(estate.organisation)
