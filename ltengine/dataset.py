"""Evaluation data: an npz file with raw inputs ``x`` and class labels ``y``."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ltengine.errors import DatasetError
from ltengine.specification import InputSpecification

SAMPLES_PER_BATCH = 1000
"""Normalised in double precision at once."""
_READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_DEFLATE_RATIO = 1032
"""The most that a byte of deflated data can become."""
HOW_TO_SAVE = "save it with numpy.savez(path, x=inputs, y=labels)"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Raw inputs and labels.

    Attributes:
        inputs: (sample, input) float32, not normalised.
        labels: (sample,) int64, classes from 0.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]


def _arrays(path: Path) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    try:
        with zipfile.ZipFile(path) as archive_file:
            _check_sizes(archive_file)
        with np.load(path, allow_pickle=False) as archive:
            return archive["x"], archive["y"]
    except DatasetError:
        raise
    # Whatever numpy, zipfile and zlib raise about strange bytes, from TokenError to MemoryError:
    # their documentation bounds it as little as their code does.
    except Exception as error:
        raise DatasetError(
            f"not an npz file of plain arrays ({type(error).__name__}); {HOW_TO_SAVE}",
            code="UNKNOWN_FORMAT",
        ) from error


def _check_sizes(archive: zipfile.ZipFile) -> None:
    """An array's header tells numpy what to allocate: it has to be what the archive holds.

    Raises:
        DatasetError: an array is missing, or declares another size than it has.
    """
    missing = {"x.npy", "y.npy"} - set(archive.namelist())
    if missing:
        names = " and ".join(sorted(name.removesuffix(".npy") for name in missing))
        raise DatasetError(f"no array {names} in the file; {HOW_TO_SAVE}", code="MISSING_ARRAY")
    for name in ("x.npy", "y.npy"):
        entry = archive.getinfo(name)
        with archive.open(entry) as content:
            shape, _, dtype = _READ_HEADER[np.lib.format.read_magic(content)](content)
            declared = content.tell() + math.prod(shape) * dtype.itemsize
        largest = max(entry.compress_size, 1) * _DEFLATE_RATIO
        if declared != entry.file_size or entry.file_size > largest:
            raise DatasetError(
                f"{name} declares {declared:,} bytes and holds {entry.file_size:,} "
                f"({entry.compress_size:,} compressed); {HOW_TO_SAVE}",
                code="DECLARED_SIZE",
            )


def read_dataset(path: Path) -> Dataset:
    """Read x (sample, ...) and y (sample,); trailing axes of x are flattened.

    Raises:
        DatasetError: the file is no such npz, or its arrays do not fit together.
    """
    x, y = _arrays(path)
    if x.dtype.kind not in "fiub" or x.ndim < 2 or x.size == 0:
        raise DatasetError(
            f"x must be numbers of shape (sample, input), got {x.dtype} {x.shape}", code="BAD_X"
        )
    if y.dtype.kind not in "iu" or y.shape != (x.shape[0],):
        raise DatasetError(
            f"y must be {x.shape[0]} integer class labels, got {y.dtype} {y.shape}", code="BAD_Y"
        )
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        inputs = x.reshape(x.shape[0], -1).astype(np.float32, copy=False)
    if not np.isfinite(inputs).all():
        raise DatasetError("x holds NaN or infinite values", code="BAD_X")
    return Dataset(inputs, y.astype(np.int64, copy=False))


def check_dataset(dataset: Dataset, specification: InputSpecification, width: int) -> None:
    """Check that x fits the network and lies in the raw domain.

    Raises:
        DatasetError: it does not.
    """
    if dataset.inputs.shape[1] != width:
        raise DatasetError(
            f"each sample has {dataset.inputs.shape[1]} values, the network takes {width}",
            code="INPUT_WIDTH",
        )
    low, high = float(dataset.inputs.min()), float(dataset.inputs.max())
    slack = 1e-6 * (specification.high - specification.low)
    if low < specification.low - slack or high > specification.high + slack:
        raise DatasetError(
            f"x lies in [{low:g}, {high:g}], outside the spec's input domain "
            f"[{specification.low:g}, {specification.high:g}]; rescale x (images by 1/255) or set "
            "input.low and input.high",
            code="OUTSIDE_DOMAIN",
        )


def normalise(
    dataset: Dataset, specification: InputSpecification, width: int
) -> NDArray[np.float32]:
    """(sample, input) (x - mean) / std, after ``check_dataset``.

    Raises:
        DatasetError: as there.
    """
    check_dataset(dataset, specification, width)
    scaled = np.empty_like(dataset.inputs)
    for begin in range(0, scaled.shape[0], SAMPLES_PER_BATCH):
        batch = slice(begin, begin + SAMPLES_PER_BATCH)
        centred = dataset.inputs[batch].astype(np.float64) - specification.mean
        scaled[batch] = centred / specification.std
    return scaled
