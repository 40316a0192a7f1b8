"""What the embedding functions of this package have in common."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from coco.typing import Vector


def vector_type(dimension: int) -> Any:
    """The type of a vector of ``dimension`` 32-bit numbers, held as a numpy array."""
    literal: Any = Literal
    return Vector[np.float32, literal[dimension]]
