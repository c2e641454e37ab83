"""Reading and writing ticket files, strictly: docs/ticket-format.md in code.

One safetensors file. Its metadata entry ``ltforge_ticket`` is canonical JSON; its tensors are, for
each source layer l from 1, ``layer.<l>.counts`` (cells in each row), ``layer.<l>.gaps`` (a row's
first column, then the steps to the next ones) and ``layer.<l>.biases`` (packed bits).
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors

from ltengine.errors import EngineError, TicketFormatError
from ltengine.mask import LARGEST_WIDTH
from ltengine.mask_coding import decode_mask, encode_gaps, narrowest
from ltengine.source import Distribution, Source
from ltengine.ticket import Ticket, read_layer_claim

FORMAT = "ltforge-ticket"
FORMAT_VERSION = 1
METADATA_KEY = "ltforge_ticket"
SOURCE_DEFINITION = "philox4x32-10/1"
FIELDS = {
    "format",
    "format_version",
    "source",
    "inputs",
    "layers",
    "specification",
    "target_digest",
    "engine_version",
    "digest",
}
HEADER_ALIGNMENT = 8
Tensors = dict[str, NDArray[np.unsignedinteger]]


@dataclass(frozen=True, slots=True)
class _StoredTensor:
    """One tensor of a file, in portions, so that the whole of it need not be in memory.

    Attributes:
        name: in the file.
        kind: type of its elements.
        shape: of the tensor.
        portions: gives its elements in order, from the first each time it is called.
    """

    name: str
    kind: np.dtype[Any]
    shape: tuple[int, ...]
    portions: Callable[[], Iterable[NDArray[Any]]]

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.kind.itemsize

    def encoded(self) -> Iterator[memoryview]:
        """Its bytes, little-endian."""
        for portion in self.portions():
            elements = portion.astype(self.kind.newbyteorder("<"), copy=False)
            yield np.ascontiguousarray(elements).reshape(-1).view(np.uint8).data


def _stored(name: str, values: NDArray[Any], kind: np.dtype[Any] | None = None) -> _StoredTensor:
    return _StoredTensor(name, kind or values.dtype, values.shape, lambda: (values,))


def _metadata(ticket: Ticket) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "source": {
            "definition": SOURCE_DEFINITION,
            "seed": ticket.source.seed,
            "distribution": ticket.source.distribution.value,
        },
        "inputs": ticket.inputs,
        "layers": [layer.describe() for layer in ticket.layers],
        "specification": ticket.specification,
        "target_digest": ticket.target_digest,
        "engine_version": ticket.engine_version,
    }


def canonical_json(document: Any) -> str:
    """Sorted keys, no spaces, ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _stored_tensors(ticket: Ticket) -> list[_StoredTensor]:
    tensors = []
    for number, layer in enumerate(ticket.layers, start=1):
        mask, counts = layer.mask, np.diff(layer.mask.offsets)
        largest = max((int(gaps.max(initial=0)) for gaps in encode_gaps(mask)), default=0)
        tensors += [
            _stored(f"layer.{number}.counts", counts, narrowest(int(counts.max()))),
            _StoredTensor(
                f"layer.{number}.gaps",
                narrowest(largest),
                mask.columns.shape,
                partial(encode_gaps, mask),
            ),
            _stored(f"layer.{number}.biases", np.packbits(mask.biases, bitorder="little")),
        ]
    return tensors


def _digest(metadata: dict[str, Any], tensors: Iterable[_StoredTensor]) -> str:
    """SHA-256 over the metadata without its digest and every tensor in order of name."""
    state = hashlib.sha256(canonical_json(metadata).encode())
    for tensor in sorted(tensors, key=lambda tensor: tensor.name):
        kind = f"u{tensor.kind.itemsize * 8}"
        state.update(f"\n{tensor.name} {kind} {list(tensor.shape)}\n".encode())
        for portion in tensor.encoded():
            state.update(portion)
    return state.hexdigest()


def ticket_digest(ticket: Ticket) -> str:
    """The ticket's identity (hex), independent of the file's layout."""
    return _digest(_metadata(ticket), _stored_tensors(ticket))


def write_ticket(ticket: Ticket, file: BinaryIO) -> str:
    """Write the file's bytes, some at a time; the ticket's digest."""
    metadata, tensors = _metadata(ticket), _stored_tensors(ticket)
    digest = _digest(metadata, tensors)
    text = canonical_json({**metadata, "digest": digest})
    header: dict[str, Any] = {"__metadata__": {METADATA_KEY: text}}
    # safetensors lays out the widest types first
    tensors.sort(key=lambda tensor: (-tensor.kind.itemsize, tensor.name))
    begin = 0
    for tensor in tensors:
        header[tensor.name] = {
            "dtype": f"U{tensor.kind.itemsize * 8}",
            "shape": list(tensor.shape),
            "data_offsets": [begin, begin + tensor.size],
        }
        begin += tensor.size
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % HEADER_ALIGNMENT)
    file.write(struct.pack("<Q", len(head)) + head)
    for tensor in tensors:
        for portion in tensor.encoded():
            file.write(portion)
    return digest


def ticket_to_bytes(ticket: Ticket) -> tuple[bytes, str]:
    """The file's bytes, all at once, and the ticket's digest."""
    file = BytesIO()
    digest = write_ticket(ticket, file)
    return file.getvalue(), digest


def save_ticket(ticket: Ticket, path: Path) -> tuple[int, str]:
    """Write the file; its size in bytes and the ticket's digest."""
    with path.open("wb") as file:
        digest = write_ticket(ticket, file)
        return file.tell(), digest


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise TicketFormatError("the metadata names a field twice", code="METADATA_FIELDS")
    return fields


def _refuse_constant(name: str) -> Any:
    raise TicketFormatError(
        f"the metadata holds {name}, which is no number", code="METADATA_FIELDS"
    )


def _header_metadata(data: bytes) -> dict[str, Any]:
    try:
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        metadata = json.loads(
            header["__metadata__"][METADATA_KEY],
            object_pairs_hook=_unique_fields,
            parse_constant=_refuse_constant,
        )
    except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise TicketFormatError(
            f"no {METADATA_KEY} entry in a safetensors header: not a ticket file, or cut short",
            code="NOT_A_TICKET",
        ) from error
    if not isinstance(metadata, dict) or set(metadata) != FIELDS:
        raise TicketFormatError("unexpected metadata fields", code="METADATA_FIELDS")
    if metadata["format"] != FORMAT or metadata["format_version"] != FORMAT_VERSION:
        raise TicketFormatError(
            f"format {metadata['format']} version {metadata['format_version']}; this reader knows "
            f"{FORMAT} version {FORMAT_VERSION}",
            code="FORMAT_VERSION",
        )
    return metadata


def read_ticket_bytes(data: bytes) -> tuple[Ticket, str]:
    """The ticket in a file's bytes, and its digest.

    Raises:
        TicketFormatError: the bytes are not a ticket file, or its digest does not match.
    """
    metadata = _header_metadata(data)
    try:
        tensors: Tensors = load_safetensors(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise TicketFormatError(
            f"damaged or cut short: {error}", code="INVALID_SAFETENSORS"
        ) from error
    stated = metadata.pop("digest")
    if _digest(metadata, (_stored(name, values) for name, values in tensors.items())) != stated:
        raise TicketFormatError(
            "the content does not match the digest it states: the file was altered or damaged",
            code="DIGEST_MISMATCH",
        )
    try:
        return _assemble(metadata, tensors), str(stated)
    except TicketFormatError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, EngineError) as error:
        raise TicketFormatError(
            f"malformed metadata ({type(error).__name__}: {error})", code="METADATA_FIELDS"
        ) from error


def _assemble(metadata: dict[str, Any], tensors: Tensors) -> Ticket:
    if metadata["source"]["definition"] != SOURCE_DEFINITION:
        raise TicketFormatError(
            f"source definition {metadata['source']['definition']!r} is unknown",
            code="SOURCE_DEFINITION",
        )
    expected = {
        f"layer.{number}.{name}"
        for number in range(1, len(metadata["layers"]) + 1)
        for name in ("counts", "gaps", "biases")
    }
    if set(tensors) != expected or any(t.dtype.kind != "u" for t in tensors.values()):
        raise TicketFormatError("missing, unexpected or signed tensors", code="TENSORS")
    layers, inputs = [], int(metadata["inputs"])
    if not 0 < inputs < LARGEST_WIDTH:
        raise TicketFormatError(f"{inputs} inputs", code="METADATA_FIELDS")
    for number, document in enumerate(metadata["layers"], start=1):
        width = document["units"] * document["block_size"] + document["constants"]
        if not 0 < width < LARGEST_WIDTH:
            raise TicketFormatError(f"layer {number} has width {width}", code="METADATA_FIELDS")
        coded = (tensors.pop(f"layer.{number}.{name}") for name in ("counts", "gaps", "biases"))
        layers.append(read_layer_claim(document, decode_mask(number, width, inputs, *coded)))
        inputs = width
    return Ticket(
        inputs=int(metadata["inputs"]),
        layers=tuple(layers),
        source=Source(
            int(metadata["source"]["seed"]), Distribution(metadata["source"]["distribution"])
        ),
        specification=metadata["specification"],
        target_digest=str(metadata["target_digest"]),
        engine_version=str(metadata["engine_version"]),
    )


def read_ticket(path: Path) -> tuple[Ticket, str]:
    """As ``read_ticket_bytes``, from a file."""
    return read_ticket_bytes(path.read_bytes())
