"""Statuses of a node as its operator listener gives them, for tests of what people see."""

import copy

SAMPLE = {"state": "RELEASED", "abort_cause": "", "qber_key": "0.0153", "p": ["0.3", "0.45", "0.25"],
          "n": {"test": [320000, 120000, 1370]}, "m": {"test": [3840, 2300, 598]}, "simulated": True}  # fmt: skip
ABORTED = SAMPLE | {
    "state": "ABORTED",
    "abort_cause": "no-key",
    "qber_key": None,
    "m": {"test": [22400, 9200, 599]},
}
LINK = {"link": "london-hayes", "available": 29, "blocks": 5, "silence": 16.1, "released": 6, "aborted": 0,
        "abort_cause": "", "qber": "0.0153", "secret_key_rate": 74424, "length": 318079, "simulated": True,
        "connected": True, "samples": [SAMPLE] * 6}  # fmt: skip
END = {"corridor": "thames", "flow": "core-replication", "role": "i", "state": "HYBRID", "cause": "supply-restored",
       "epoch": 9, "epoch_age": 1.8, "rolls": 9, "left": 14, "floor": 4, "fresh_per_second": 1.467, "silence": 1.0}  # fmt: skip  # noqa: E501
STATUS = {
    "site": "london", "links": [LINK], "corridors": [END], "journal": 49,
    "keys": {"ingested": 519552, "available": 52992, "reserved": 0, "bound": 0, "delivered": 4608, "void": 461952},
    "burnt": {"surplus": 461952}, "ages": {"blocks": {"london-hayes": [12.0, 3.5]}, "open": None},
}  # fmt: skip


def status(site="london", *, aborting=False):
    made = copy.deepcopy(STATUS) | {"site": site}
    if aborting:
        made["links"][0] |= {
            "abort_cause": "no-key",
            "aborted": 2,
            "qber": None,
            "samples": [SAMPLE] * 6 + [ABORTED] * 2,
        }
    return made
