"""One tree of errors; each carries a stable code, the cause with the values seen, and a remedy.

QorridorError
├── EstateError        the estate file or a setting is wrong            exit 3
├── ScanError          a scanner cannot look where it should            exit 4
├── LinkError          a QKD link or its distillation cannot go on      exit 4
├── KeySupplyError     keys cannot be had, agreed or combined           exit 4
├── PolicyRefusal      a rule forbids it                                exit 5
├── EvidenceError      what is claimed does not hold                    exit 1
└── OutsideError       something outside is unreachable or broken       exit 4
"""

from __future__ import annotations

import re

AREAS = ("ESTATE", "SCAN", "LINK", "KME", "KEY", "RELAY", "ENC", "SINK", "POLICY", "PROOF")
_CODE = re.compile(rf"Q-({'|'.join(AREAS)})-\d{{3}}")


class QorridorError(Exception):
    """Something that a person must know; `code` names its page in docs/errors."""

    exit_code = 70

    def __init__(self, code: str, cause: str, remedy: str, where: str = "") -> None:
        if _CODE.fullmatch(code) is None:
            raise ValueError(f"{code!r} is no error code of the form Q-AREA-NNN")
        super().__init__(code, cause, remedy, where)
        self.code = code
        self.cause = cause
        self.remedy = remedy
        self.where = where

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.cause}; {self.remedy} [{self.code}]"


class EstateError(QorridorError):
    """The estate file or a setting is wrong."""

    exit_code = 3


class ScanError(QorridorError):
    """A scanner cannot look where it should."""

    exit_code = 4


class LinkError(QorridorError):
    """A QKD link or its distillation cannot go on."""

    exit_code = 4


class KeySupplyError(QorridorError):
    """Keys cannot be had, agreed or combined."""

    exit_code = 4


class PolicyRefusal(QorridorError):  # noqa: N818 - a refusal is the domain's word; it is no fault
    """A rule forbids it."""

    exit_code = 5


class EvidenceError(QorridorError):
    """What is claimed does not hold."""

    exit_code = 1


class OutsideError(QorridorError):
    """Something outside is unreachable or broken."""

    exit_code = 4


class Interrupted(Exception):  # noqa: N818 - somebody's wish, no error
    """A signal came before the work was done; everything that it had started has ended. Exit 130."""


def words_of(error: BaseException) -> str:
    """What an exception of the world says; one without words is named: a timeout has none of its own."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return str(error) or type(error).__name__
