"""The engine's errors.

EngineError                    every named failure; has a stable ``code``, says what to do
├── SpecificationError         the construction spec is wrong (every problem by JSON pointer)
├── CheckpointError            the uploaded file is not a checkpoint we can read
├── NetworkError               the tensors do not form a fully-connected network
├── DatasetError               the evaluation data set is unusable
├── TicketFormatError          a ticket file is not what docs/ticket-format.md describes
├── ExportError                a ticket does not fit the format it should be exported to
├── UnsolvedProblemsError      the planned source network has no ticket within tolerance
├── DeviceUnavailableError     the requested device is not here
└── Canceled                   the caller asked to stop
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class EngineError(Exception):
    """A named failure. ``code`` is stable and machine-readable, ``detail`` says what to do."""

    code = "ENGINE_ERROR"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class SpecificationError(EngineError):
    """The construction spec is wrong; ``problems`` lists ``{pointer, code, detail}`` for each."""

    code = "INVALID_SPECIFICATION"

    def __init__(self, problems: Iterable[Mapping[str, str]]) -> None:
        self.problems = tuple(dict(problem) for problem in problems)
        lines = [f"{problem['pointer'] or '/'}: {problem['detail']}" for problem in self.problems]
        super().__init__("; ".join(lines))


class CheckpointError(EngineError):
    """The uploaded file is not a checkpoint we can read."""

    code = "INVALID_CHECKPOINT"


class NetworkError(CheckpointError):
    """The tensors of a checkpoint do not form a fully-connected network."""

    code = "INVALID_NETWORK"


class DatasetError(EngineError):
    """The evaluation data set is unusable."""

    code = "INVALID_DATASET"


class TicketFormatError(EngineError):
    """A ticket file is not what docs/ticket-format.md describes."""

    code = "INVALID_TICKET"


class ExportError(EngineError):
    """A ticket does not fit the format it should be exported to."""

    code = "EXPORT_REFUSED"


class UnsolvedProblemsError(EngineError):
    """The source network holds no ticket within the tolerance at the planned width."""

    code = "UNSOLVED_PROBLEMS"


class DeviceUnavailableError(EngineError):
    """The requested device is not on this machine, or the engine cannot use it."""

    code = "DEVICE_UNAVAILABLE"


class Canceled(EngineError):  # noqa: N818 - an outcome the caller asked for, not an error of ours
    """The caller asked to stop."""

    code = "CANCELED"

    def __init__(self, detail: str = "the construction was canceled") -> None:
        super().__init__(detail)
