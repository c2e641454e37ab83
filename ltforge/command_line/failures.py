"""How a command fails: by name on stderr, as JSON on stdout where asked, with exit status 1."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ltengine.errors import EngineError
from ltforge.errors import LTForgeError, NoAnswerError, WaitTimeoutError

FAILED = 1
TRY_AGAIN = 3
"""The service did not answer, or not in time: nothing is wrong with what was asked."""
INTERRUPTED = 130
"""The shell's own convention for a command that ended by Ctrl-C."""


class CommandError(Exception):
    """A named failure of the command line itself."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@contextmanager
def named_failures(*, as_json: bool) -> Iterator[None]:
    """End the process by name when the block fails in a way a user can do something about."""
    try:
        yield
    except (NoAnswerError, WaitTimeoutError) as error:
        _end(error.code, str(error).partition(": ")[2], as_json=as_json, status=TRY_AGAIN)
    except LTForgeError as error:
        _end(error.code, str(error).partition(": ")[2], as_json=as_json)
    except KeyboardInterrupt:
        _end("CANCELED", "interrupted", as_json=as_json)
    except (CommandError, EngineError) as error:
        _end(error.code, error.detail, as_json=as_json)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _end("FILE_ERROR", f"{where}{error.strerror or error}", as_json=as_json)
    except MemoryError:
        detail = "not enough memory; use a machine with more, or a smaller network or base set"
        _end("OUT_OF_MEMORY", detail, as_json=as_json)


def _end(code: str, detail: str, *, as_json: bool, status: int = FAILED) -> None:
    print(f"ltforge: {code}: {detail}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": {"code": code, "detail": detail}}))
    sys.exit(INTERRUPTED if code == "CANCELED" else status)
