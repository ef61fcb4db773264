"""How far the answers of one model are from those of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["HIGHEST_MEAN_KL", "LOWEST_TOP1_AGREEMENT", "Agreement", "compare"]

LOWEST_TOP1_AGREEMENT = 0.98
"""Share of clips on which an INT8 model must name the action that the FP32 model names."""
HIGHEST_MEAN_KL = 0.05
"""Mean Kullback-Leibler divergence in nats that an INT8 model may have from the FP32 one."""

_Probabilities = NDArray[np.float32]
_TINY = 1e-12
"""Stands for a probability of 0, whose logarithm there is not."""


@dataclass(frozen=True)
class Agreement:
    """How near the answers of one model are to those of another, on the same clips."""

    num_clips: int
    """Clips that were compared."""
    top1_agreement: float
    """Share of them with the same most probable action, 0..1."""
    mean_kl: float
    """Mean Kullback-Leibler divergence from the reference in nats."""
    worst_difference: float
    """Largest difference of a probability, 0..1."""

    @property
    def is_kept(self) -> bool:
        """Whether the answers count as the same."""
        return self.top1_agreement >= LOWEST_TOP1_AGREEMENT and self.mean_kl <= HIGHEST_MEAN_KL


def compare(expected: _Probabilities, found: _Probabilities) -> Agreement:
    """Compare probabilities with those of a reference.

    Parameters
    ----------
    expected, found
        (clips, actions) float32, each row sums to 1.

    Examples
    --------
    >>> agreement = compare(np.float32([[0.75, 0.25]]), np.float32([[0.5, 0.5]]))
    >>> agreement.top1_agreement, round(agreement.mean_kl, 4), agreement.worst_difference
    (1.0, 0.1308, 0.25)
    """
    reference, other = (np.maximum(each, _TINY, dtype=np.float64) for each in (expected, found))
    divergences = (reference * np.log(reference / other)).sum(axis=1)
    return Agreement(
        num_clips=len(expected),
        top1_agreement=float((expected.argmax(axis=1) == found.argmax(axis=1)).mean()),
        mean_kl=float(divergences.mean()),
        worst_difference=float(np.abs(expected - found).max()),
    )
