"""The part of a mask that is looked at, and the parts that lie next to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.dashboard.pages import with_query
from service.errors import InvalidRequest
from service.usecases.mask_pictures import Region, check_region, rows_sampled
from service.usecases.masks import StoredLayer

HEIGHT, WIDTH = 360, 640
_SMALLEST = 8


@dataclass(frozen=True, slots=True)
class MaskView:
    """A part of a layer's mask; moves name the parts that buttons lead to."""

    ticket_id: str
    layer: StoredLayer
    region: Region
    kept: int

    @property
    def picture(self) -> str:
        """Where the picture is."""
        return self._address("mask.png", self.region)

    @property
    def whole(self) -> bool:
        """Whether all of the layer is looked at."""
        return self.region == Region(0, self.layer.width, 0, self.layer.inputs)

    @property
    def every(self) -> int:
        """One row in so many is counted for the picture."""
        return rows_sampled(self.kept)

    def moves(self) -> Mapping[str, tuple[str, str, str]]:
        """For each move its words, and where its part lies as a fragment and as a page."""
        r = self.region
        half_rows, half_columns = max(1, r.rows // 2), max(1, r.columns // 2)
        asked = {
            "in": ("Zoom in", self._sized(r.rows // 2, r.columns // 2)),
            "out": ("Zoom out", self._sized(r.rows * 2, r.columns * 2)),
            "left": ("Left", self._moved(0, -half_columns)),
            "right": ("Right", self._moved(0, half_columns)),
            "up": ("Up", self._moved(-half_rows, 0)),
            "down": ("Down", self._moved(half_rows, 0)),
            "all": ("Whole layer", Region(0, self.layer.width, 0, self.layer.inputs)),
        }
        return {
            name: (words, self._address("mask", region), f"{self._address('', region)}#mask")
            for name, (words, region) in asked.items()
        }

    def _address(self, name: str, region: Region) -> str:
        own = f"/tickets/{self.ticket_id}" + (f"/{name}" if name else "")
        return with_query(
            own,
            layer=self.layer.number,
            rows=f"{region.top}:{region.bottom}",
            columns=f"{region.left}:{region.right}",
        )

    def _sized(self, rows: int, columns: int) -> Region:
        """A part of another size around the same middle."""
        r = self.region
        rows, columns = max(_SMALLEST, rows), max(_SMALLEST, columns)
        return self._within(
            r.top + (r.rows - rows) // 2, rows, r.left + (r.columns - columns) // 2, columns
        )

    def _moved(self, down: int, right: int) -> Region:
        r = self.region
        return self._within(r.top + down, r.rows, r.left + right, r.columns)

    def _within(self, top: int, rows: int, left: int, columns: int) -> Region:
        """The part as near as the layer allows."""
        rows, columns = min(rows, self.layer.width), min(columns, self.layer.inputs)
        top = min(max(0, top), self.layer.width - rows)
        left = min(max(0, left), self.layer.inputs - columns)
        return Region(top, top + rows, left, left + columns)


def look_at(ticket_id: str, layer: StoredLayer, rows: str, columns: str) -> MaskView:
    """The part that an address names as `a:b` and `c:d`; all where it names none.

    Raises InvalidRequest.
    """
    region = Region(*_ends(rows, layer.width), *_ends(columns, layer.inputs))
    check_region(layer, region)
    return MaskView(ticket_id, layer, region, layer.cells_below(region.bottom, region.top))


def _ends(text: str, size: int) -> tuple[int, int]:
    if not text:
        return 0, size
    first, _, last = text.partition(":")
    try:
        return int(first), int(last)
    except ValueError:
        problem = {"pointer": "rows", "code": "NOT_A_RANGE", "detail": "write a range as a:b"}
        raise InvalidRequest("rows, columns: write a range as a:b", [problem]) from None
