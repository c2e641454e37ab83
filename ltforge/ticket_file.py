"""A ticket file in hand: what it says, its masks, its network, and whether it is one.

What the file says needs nothing but Python. The rest loads numpy, the engine or torch when it is
called, and names the extra to install where one is missing.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltforge.calls import Identified
from ltforge.errors import LTForgeError
from ltforge.exchange import Flow
from ltforge.extras import needing
from ltforge.notebook import fields_html
from ltforge.operations.tickets import get_ticket_mask

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, eq=False)
class Mask:
    """The kept cells of one source layer, row-compressed.

    Attributes:
        width: neurons (rows) of the layer.
        inputs: columns of the layer.
        offsets: (width + 1,) int64; row r keeps columns[offsets[r] : offsets[r + 1]].
        columns: (cell,) int32, ascending in each row.
        biases: (width,) bool, the kept bias cells.
    """

    width: int
    inputs: int
    offsets: NDArray[np.int64] = field(repr=False)
    columns: NDArray[np.int32] = field(repr=False)
    biases: NDArray[np.bool_] = field(repr=False)

    @property
    def cells(self) -> int:
        """Kept parameters, biases included."""
        return int(self.columns.size) + int(self.biases.sum())

    def dense(self) -> NDArray[np.bool_]:
        """(width, inputs) bool: one byte for every cell of the source layer, kept or not."""
        with needing("a dense mask"):
            import numpy as np  # noqa: PLC0415
        kept = np.zeros((self.width, self.inputs), dtype=np.bool_)
        kept[np.repeat(np.arange(self.width), np.diff(self.offsets)), self.columns] = True
        return kept


@dataclass(frozen=True, eq=False)
class TicketFile:
    """A ticket: a seed and a mask, without any weight. ``read`` takes it from a file.

    Attributes:
        content: the file's bytes.
    """

    content: bytes = field(repr=False)

    @classmethod
    def read(cls, path: str | PathLike[str]) -> TicketFile:
        """The ticket in a file.

        Raises:
            LTForgeError: the file cannot be read, or is no ticket.
        """
        try:
            ticket = cls(Path(path).read_bytes())
        except OSError as error:
            raise LTForgeError(
                "FILE_UNREADABLE", f"cannot read {path}: {error.strerror}"
            ) from error
        ticket.metadata  # noqa: B018 - so that what is no ticket is refused here
        return ticket

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the ticket file."""
        Path(path).write_bytes(self.content)
        return Path(path)

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What the file says of itself (docs/ticket-format.md).

        Raises:
            LTForgeError: it is no ticket file.
        """
        try:
            (length,) = _LENGTH.unpack_from(self.content)
            header = json.loads(self.content[_LENGTH.size : _LENGTH.size + length])
            document: dict[str, Any] = json.loads(header["__metadata__"]["ltforge_ticket"])
        except (struct.error, ValueError, KeyError, TypeError) as error:
            raise LTForgeError(
                "NOT_A_TICKET",
                "this is no ticket file of LTForge; download it again, or see "
                "docs/ticket-format.md",
            ) from error
        return document

    @property
    def digest(self) -> str:
        """The ticket's own digest, as the file states it; ``verify`` checks it."""
        return str(self.metadata["digest"])

    @property
    def seed(self) -> int:
        """Of the source network."""
        return int(self.metadata["source"]["seed"])

    @property
    def widths(self) -> tuple[int, ...]:
        """[n_0, n_1, ...] of the source network."""
        layers = self.metadata["layers"]
        own = (layer["units"] * layer["block_size"] + layer["constants"] for layer in layers)
        return (self.metadata["inputs"], *own)

    def masks(self) -> tuple[Mask, ...]:
        """Which cells of each source layer are kept.

        Raises:
            MissingExtraError: the engine's libraries are not installed.
        """
        return tuple(
            Mask(
                layer.mask.width,
                layer.mask.inputs,
                layer.mask.offsets,
                layer.mask.columns,
                layer.mask.biases,
            )
            for layer in self._read("masks").layers
        )

    def to_torch(self) -> torch.nn.Module:
        """The ticket as a PyTorch module that takes what the target network takes.

        That is, inputs (sample, input) normalised by the spec's mean and std. The module holds the
        kept cells alone, with the values that the seed gives them; nothing of it can be trained.

        Raises:
            MissingExtraError: torch or the engine's libraries are not installed.
        """
        with needing("to_torch"):
            from ltforge.torch_module import build_module  # noqa: PLC0415
        return build_module(self._read("to_torch"))

    def verify(self, checkpoint: str | PathLike[str]) -> dict[str, Any]:
        """The verdict of the engine's verifier, which trusts nobody.

        Args:
            checkpoint: the file of the network that the ticket says it computes.

        Returns:
            valid, reasons, largest_parameter_error, tolerance, histogram.

        Raises:
            LTForgeError: the checkpoint cannot be read as a network.
            MissingExtraError: the engine's libraries are not installed.
        """
        with needing("verify"):
            from ltengine.errors import EngineError  # noqa: PLC0415
            from ltengine.verification import verify_bytes  # noqa: PLC0415
        try:
            return verify_bytes(self.content, Path(checkpoint)).to_document()
        except EngineError as error:
            raise LTForgeError(error.code, error.detail) from error
        except OSError as error:
            raise LTForgeError(
                "FILE_UNREADABLE", f"cannot read {checkpoint}: {error.strerror}"
            ) from error

    def _read(self, purpose: str) -> Any:
        with needing(purpose):
            from ltengine.errors import EngineError  # noqa: PLC0415
            from ltengine.ticket_file import read_ticket_bytes  # noqa: PLC0415
        try:
            return read_ticket_bytes(self.content)[0]
        except EngineError as error:
            raise LTForgeError(error.code, error.detail) from error

    def _repr_html_(self) -> str:
        """What the file says, as a table."""
        spec = self.metadata["specification"]
        said = {
            "construction": spec.get("construction"),
            "seed": self.seed,
            "widths": self.widths,
            "bytes": len(self.content),
            "digest": self.digest,
            "target_digest": self.metadata["target_digest"],
        }
        return fields_html("TicketFile", said)


def load_ticket(ticket: Identified | str) -> Flow[TicketFile]:
    """The ticket file, in memory: its masks, its network, its verification."""
    return TicketFile((yield from get_ticket_mask(ticket)))
