"""What the neurons of a source layer do."""

from __future__ import annotations

from enum import Enum


class Role(Enum):
    """Univariate: each neuron carries one unit of the layer below. Copies: of target neurons."""

    UNIVARIATE = "univariate"
    COPIES = "copies"
