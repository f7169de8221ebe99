"""Named links, shipped as TOML; each value carries its source."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from importlib import resources
from typing import Any

from qorridor.base.errors import LinkError
from qorridor.photonics.parameters import LinkParameters

PRESETS = ("demo-1ghz", "metro", "gys", "decoy-1ghz", "snspd-long", "sat-downlink")


def load_preset(
    name: str,
    *,
    length: float | None = None,
    attenuation: float | None = None,
    loss: float | None = None,
) -> LinkParameters:
    """The preset `name`, with the estate's fibre (km, dB/km) in place of its own where given.

    `loss` is the measured loss of the whole channel in dB; what the fibre does not explain of it counts
    as splices and panels, and a smaller figure lowers the attenuation.
    LinkError Q-LINK-002 for an unknown name, Q-LINK-001 for a value outside its range.
    """
    values = {key: entry["value"] for key, entry in document(name)["values"].items()}
    fibre = {"length": length, "attenuation": attenuation}
    values |= {key: value for key, value in fibre.items() if value is not None}
    for key in ("intensities", "probabilities"):
        values[key] = tuple(values[key])
    link = LinkParameters(name=name, **values)
    return link if loss is None else _with_loss(link, loss)


def _with_loss(link: LinkParameters, loss: float) -> LinkParameters:
    fibre = link.length * link.attenuation
    if loss >= fibre:
        return replace(link, extra_loss=loss - fibre)
    return replace(link, extra_loss=0.0, attenuation=loss / link.length)


def document(name: str) -> dict[str, Any]:
    """The preset as written: `version`, `made_for`, `face_value` (what a block of so many detections yields
    at a loss in dB, in bits), and `values` with `value` and `source` each."""
    if name not in PRESETS:
        raise LinkError("Q-LINK-002", f"there is no link preset {name!r}", f"use one of {', '.join(PRESETS)}")
    text = resources.files(__package__).joinpath("presets", f"{name}.toml").read_text("utf-8")
    return tomllib.loads(text)
