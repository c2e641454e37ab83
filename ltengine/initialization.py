"""Standard initialisations: how large a layer's cells would be drawn, and the paper's lambda_l.

The construction works with cells of unit size times the layer's scale. A source initialised by He
or Glorot has cells of size sigma_l instead; multiplying layer l by lambda_l = scale / sigma_l turns
it into the same network (paper, section 2, after Assumption 2.1).
"""

from __future__ import annotations

import math


def standard_size(initialization: str, distribution: str, fan_in: int, fan_out: int) -> float:
    """sigma_l: half the width of the uniform distribution, or the normal one's deviation.

    He et al. 2015: variance 2 / fan_in. Glorot and Bengio 2010: variance 2 / (fan_in + fan_out).
    Every other initialisation has unit cells.
    """
    variances = {"he": 2.0 / fan_in, "glorot": 2.0 / (fan_in + fan_out)}
    if initialization not in variances:
        return 1.0
    deviation = math.sqrt(variances[initialization])
    # a uniform distribution on [-a, a] has variance a^2 / 3
    return deviation * math.sqrt(3.0) if distribution == "uniform" else deviation
