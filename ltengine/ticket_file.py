"""Reading and writing ticket files, strictly: docs/ticket-format.md in code.

One safetensors file. Its metadata entry ``ltforge_ticket`` is canonical JSON; its tensors are, for
each source layer l from 1, ``layer.<l>.counts`` (cells in each row), ``layer.<l>.gaps`` (a row's
first column, then the steps to the next ones) and ``layer.<l>.biases`` (packed bits).
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from ltengine.errors import EngineError, TicketFormatError
from ltengine.mask import LayerMask
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
LARGEST_WIDTH = 1 << 31
Tensors = dict[str, NDArray[np.unsignedinteger]]


def _narrow(values: NDArray[np.int64]) -> NDArray[np.unsignedinteger]:
    """The narrowest of uint8, uint16, uint32 that holds the values."""
    largest = int(values.max()) if values.size else 0
    return values.astype(np.min_scalar_type(largest) if largest < 1 << 32 else np.uint64)


def _encode_mask(mask: LayerMask) -> tuple[NDArray[np.unsignedinteger], ...]:
    counts = np.diff(mask.offsets)
    gaps = np.diff(mask.columns, prepend=np.int64(0))
    firsts = mask.offsets[:-1][counts > 0]
    gaps[firsts] = mask.columns[firsts]
    return _narrow(counts), _narrow(gaps), np.packbits(mask.biases, bitorder="little")


def _decode_mask(layer: int, width: int, inputs: int, tensors: Tensors) -> LayerMask:
    counts, gaps = (tensors[f"layer.{layer}.{n}"].astype(np.int64) for n in ("counts", "gaps"))
    packed = tensors[f"layer.{layer}.biases"]
    if counts.shape != (width,) or gaps.shape != (counts.sum(),):
        raise TicketFormatError(
            f"layer {layer}: counts {counts.shape} and gaps {gaps.shape} do not fit width {width}",
            code="MASK_SHAPE",
        )
    if packed.dtype != np.uint8 or packed.shape != ((width + 7) // 8,):
        raise TicketFormatError(f"layer {layer}: wrong bias bits", code="MASK_SHAPE")
    bits = np.unpackbits(packed, bitorder="little")
    if bits[width:].any():
        raise TicketFormatError(f"layer {layer}: bias bits past the last row", code="MASK_SHAPE")
    offsets = np.concatenate(([0], np.cumsum(counts)))
    total = np.cumsum(gaps)
    firsts = offsets[:-1][counts > 0]
    before_row = np.zeros(width, np.int64)
    before_row[counts > 0] = total[firsts] - gaps[firsts]
    columns = total - np.repeat(before_row, counts)
    is_first = np.zeros(gaps.size, np.bool_)
    is_first[firsts] = True
    if (gaps[~is_first] == 0).any() or (columns >= inputs).any():
        raise TicketFormatError(
            f"layer {layer}: columns are not ascending within {inputs}", code="MASK_COLUMNS"
        )
    return LayerMask(width, inputs, offsets, columns, bits[:width].astype(np.bool_))


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


def _digest(metadata: dict[str, Any], tensors: Tensors) -> str:
    """SHA-256 over the metadata without its digest and every tensor in order of name."""
    state = hashlib.sha256(canonical_json(metadata).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        kind = f"u{tensor.dtype.itemsize * 8}"
        state.update(f"\n{name} {kind} {list(tensor.shape)}\n".encode())
        state.update(tensor.astype(tensor.dtype.newbyteorder("<")).tobytes())
    return state.hexdigest()


def _tensors(ticket: Ticket) -> Tensors:
    tensors: Tensors = {}
    for number, layer in enumerate(ticket.layers, start=1):
        for name, values in zip(
            ("counts", "gaps", "biases"), _encode_mask(layer.mask), strict=True
        ):
            tensors[f"layer.{number}.{name}"] = np.ascontiguousarray(values)
    return tensors


def ticket_digest(ticket: Ticket) -> str:
    """The ticket's identity (hex), independent of the file's layout."""
    return _digest(_metadata(ticket), _tensors(ticket))


def write_ticket(ticket: Ticket) -> tuple[bytes, str]:
    """The file's bytes and the ticket's digest."""
    metadata, tensors = _metadata(ticket), _tensors(ticket)
    digest = _digest(metadata, tensors)
    text = canonical_json({**metadata, "digest": digest})
    return save_safetensors(tensors, metadata={METADATA_KEY: text}), digest


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
    if _digest(metadata, tensors) != stated:
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
    for number, document in enumerate(metadata["layers"], start=1):
        width = document["units"] * document["block_size"] + document["constants"]
        if not 0 < width < LARGEST_WIDTH:
            raise TicketFormatError(f"layer {number} has width {width}", code="METADATA_FIELDS")
        layers.append(read_layer_claim(document, _decode_mask(number, width, inputs, tensors)))
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
