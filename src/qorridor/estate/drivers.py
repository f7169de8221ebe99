"""The drivers that an estate may name: their settings, and which of them this version brings."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from qorridor.estate.quantities import Pace, said


class Table(BaseModel):
    """A table of the estate file: unknown keys are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True)


_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")
_TARGET = re.compile(
    r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]{1,253}(?:/[0-9]{1,2})?):([0-9]{1,5}(?:,[0-9]{1,5})*)"
)
_WINDOW = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:[01][0-9]|2[0-3]):[0-5][0-9]")


def _ports_fit(ports: str) -> bool:
    return all(1 <= int(port) <= 65535 for port in ports.split(","))


def address(text: str) -> str:
    """`host:port` with a port of 1 to 65535; raises ValueError in our own words for anything else."""
    match = _ADDRESS.fullmatch(text)
    if match is None or not _ports_fit(match[1]) or not _host_fits(text.rpartition(":")[0]):
        raise said(f'"{text}" is no address', 'write host:port, for example "127.0.0.1:9400"')
    return text


def _listen(text: str) -> str:
    return text if text.endswith(":0") and _ADDRESS.fullmatch(text) else address(text)


def _host_fits(host: str) -> bool:
    """Whether `10.20.0.0/22` is a network and `[::1]` an address; a name is not looked up."""
    try:
        if "/" in host:
            ipaddress.IPv4Network(host, strict=False)
        elif host.startswith("["):
            ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True


def _target(text: str) -> str:
    match = _TARGET.fullmatch(text)
    if match is None or not _ports_fit(match[1]) or not _host_fits(text.rpartition(":")[0]):
        raise said(
            f'"{text}" is no scan target',
            'write host:port,port or network/bits:port, for example "10.20.0.0/22:443"',
        )
    return text


def _window(text: str) -> str:
    if _WINDOW.fullmatch(text) is None:
        raise said(f'"{text}" is no time window', 'write for example "22:00-05:00"')
    return text


Address = Annotated[str, AfterValidator(address)]
Listen = Annotated[str, AfterValidator(_listen)]
Target = Annotated[str, AfterValidator(_target)]
Window = Annotated[str, AfterValidator(_window)]
Preset = Literal["gys", "decoy-1ghz", "demo-1ghz", "metro", "snspd-long", "sat-downlink"]
LinkSource = Literal["optimised", "preset"]


class Driver(Table):
    """Settings of one driver; `available` says whether this version brings the driver itself."""

    available: ClassVar[bool] = False


class SimulatorLink(Driver):
    """A simulated QKD link over the fibre of the same name; its source as set for this fibre's loss, or as the
    preset has it."""

    available: ClassVar[bool] = True
    driver: Literal["simulator"]
    preset: Preset
    source: LinkSource = "optimised"


class VendorLink(Driver):
    """A vendor's key management entity at each end, spoken to by ETSI GS QKD 014."""

    driver: Literal["etsi-014"]
    url: str = Field(pattern=r"^https://")
    ca: str
    certificate: str | None = None


class StreamLink(Driver):
    """A vendor's module that streams keys by ETSI GS QKD 004."""

    driver: Literal["etsi-004"]
    url: str
    ca: str
    certificate: str | None = None


LinkDriver = Annotated[SimulatorLink | VendorLink | StreamLink, Field(discriminator="driver")]


class TlsTunnel(Driver):
    """Our own tunnel: TCP accepted at `listen` (flow.from) is forwarded to `forward` (flow.to).

    Port 0 is any free port; the run's address book names the one that was taken.
    """

    available: ClassVar[bool] = True
    driver: Literal["tls-tunnel"]
    listen: Listen
    forward: Address


class WireGuard(Driver):
    """A WireGuard interface whose preshared key is rolled."""

    driver: Literal["wireguard"]
    interface: str = Field(pattern=r"^[A-Za-z0-9_=+.-]{1,15}$")


class StrongSwan(Driver):
    """A strongSwan connection with a post-quantum preshared key (RFC 8784)."""

    driver: Literal["strongswan"]
    connection: str


class MacSec(Driver):
    """A MACsec interface; its pre-shared CAK is rolled."""

    driver: Literal["macsec"]
    interface: str


EncryptorDriver = Annotated[TlsTunnel | WireGuard | StrongSwan | MacSec, Field(discriminator="driver")]


class StdoutSink(Driver):
    """Events as lines on standard output."""

    available: ClassVar[bool] = True
    driver: Literal["stdout"]


class FileSink(Driver):
    """Events as JSON lines appended to a file."""

    available: ClassVar[bool] = True
    driver: Literal["file"]
    path: str
    format: Literal["OCSF", "json"] = "json"


class SyslogSink(Driver):
    """Events over syslog (RFC 5425)."""

    driver: Literal["syslog"]
    to: str = Field(pattern=r"^(?:tls|tcp|udp)://")
    format: Literal["OCSF", "CEF", "json"] = "OCSF"


class OtlpSink(Driver):
    """Events and metrics over OTLP."""

    driver: Literal["otlp"]
    to: str = Field(pattern=r"^https?://")


SinkDriver = Annotated[StdoutSink | FileSink | SyslogSink | OtlpSink, Field(discriminator="driver")]


class SqliteStore(Driver):
    """Keys in SQLite below the node's state directory, wrapped by the root key."""

    available: ClassVar[bool] = True
    driver: Literal["sqlite"]
    root_key: str = Field(default="file:root.key", pattern=r"^(?:file|pkcs11|vault):.+")


class PostgresqlStore(Driver):
    """Keys in PostgreSQL, shared by the node processes of one site."""

    driver: Literal["postgresql"]
    url: str
    root_key: str = Field(pattern=r"^(?:file|pkcs11|vault):.+")


class MemoryStore(Driver):
    """Keys in memory only: lost at every restart."""

    driver: Literal["memory"]


StoreDriver = Annotated[SqliteStore | PostgresqlStore | MemoryStore, Field(discriminator="driver")]


class Scan(Driver):
    """What every scan may say: how fast, when, and who answers for it."""

    rate: Pace | None = None
    window: Window | None = None
    owner: str | None = None


class TlsScan(Scan):
    """TLS end points: `host:port,port` or `network/bits:port`."""

    available: ClassVar[bool] = True
    scanner: Literal["tls"]
    targets: tuple[Target, ...] = Field(strict=False, min_length=1)


class CertificateScan(Scan):
    """Certificate and key files below folders."""

    available: ClassVar[bool] = True
    scanner: Literal["certificates"]
    folders: tuple[str, ...] = Field(strict=False, min_length=1)


class LaterScan(Scan):
    """Scanners that this version knows by name only."""

    scanner: Literal[
        "ssh", "ike", "wireguard", "config", "source", "packages", "binaries", "capture", "pkcs11"
    ]
    targets: tuple[str, ...] = Field(strict=False, min_length=1)


ScanDriver = Annotated[TlsScan | CertificateScan | LaterScan, Field(discriminator="scanner")]


class DriverFact(NamedTuple):
    """One row of `qorridor plugins`."""

    group: str
    name: str
    available: bool
    summary: str


_GROUPS: dict[str, tuple[type[Driver], ...]] = {
    "scanners": (TlsScan, CertificateScan, LaterScan),
    "devices": (SimulatorLink, VendorLink, StreamLink),
    "encryptors": (TlsTunnel, WireGuard, StrongSwan, MacSec),
    "sinks": (StdoutSink, FileSink, SyslogSink, OtlpSink),
    "stores": (SqliteStore, PostgresqlStore, MemoryStore),
}


def driver_names(settings: type[Driver]) -> tuple[str, ...]:
    """The names that select these settings in an estate."""
    field = settings.model_fields.get("driver") or settings.model_fields["scanner"]
    return tuple(field.annotation.__args__)  # type: ignore[union-attr]  # a Literal


def catalogue() -> list[DriverFact]:
    """Every driver that an estate may name, by group."""
    return [
        DriverFact(group, name, settings.available, (settings.__doc__ or "").strip())
        for group, members in _GROUPS.items()
        for settings in members
        for name in driver_names(settings)
    ]
