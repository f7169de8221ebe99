"""`python -m qorridor` and the console script: the command line, also for the processes that `run` starts.

A signal that comes while modules are still being imported ends the process here, without a traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

EXIT_STOPPED = 130
_STOPPED = (
    b'{"error": {"code": "STOPPED", "cause": "a signal came", "remedy": "call it again", "where": ""}}\n'
)


def _stopped(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    """Nothing has begun yet, so there is nothing to clean up."""
    if "--json" in sys.argv:
        os.write(1, _STOPPED)
    os.write(2, b"stopped\n")
    os._exit(EXIT_STOPPED)


def main() -> None:
    """Import the command line under handlers that need none of it, then hand over."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stopped)
    from qorridor.faces.cli.main import main as command_line  # noqa: PLC0415 - the handlers come first

    command_line()


if __name__ == "__main__":
    main()
