"""How far a share measured on few cases can be trusted."""

from __future__ import annotations

import math

_Z = 1.959964


def wilson(right: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval for the true share behind `right` of `n`, from 0 to 1; (0, 1) without cases.

    It holds for few cases and for shares near 0 and 1 too (E. B. Wilson, 1927).
    """
    if n == 0:
        return 0.0, 1.0
    share = right / n
    centre = share + _Z**2 / (2 * n)
    spread = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    scale = 1 + _Z**2 / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
