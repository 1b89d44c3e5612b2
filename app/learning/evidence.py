"""The one test behind every comparison of two models on the same rows."""

from __future__ import annotations

import math


def chance(wins: int, losses: int) -> float:
    """Probability that two equally good models differ at least so much in favour.

    The exact sign test over the rows where exactly one of the two is right (McNemar,
    1947), one-sided.

    Parameters
    ----------
    wins, losses : int >= 0
        Rows that only the first, only the second has right.

    Examples
    --------
    >>> chance(5, 0), chance(0, 0)
    (0.03125, 1.0)
    """
    # imported here: it is a third of the time that a service needs to start
    from scipy.stats import binomtest

    if wins + losses == 0:
        return 1.0
    return float(binomtest(wins, wins + losses, 0.5, alternative="greater").pvalue)


def chance_if_worse(wins: int, losses: int, n: int, margin: float) -> float:
    """Probability that a model worse by a margin does as well as this one did.

    The score test of non-inferiority for paired answers (Tango, 1998, Statistics in
    Medicine 17, 891-908), one-sided: the smaller, the surer that the first model is
    less than `margin` worse than the second.

    Parameters
    ----------
    wins, losses : int >= 0
        Rows that only the first, only the second has right.
    n : int >= 0
        Rows that both answered.
    margin : float in [0, 1)
        Difference of the accuracies.

    Examples
    --------
    >>> round(chance_if_worse(0, 0, 200, 0.05), 4), chance_if_worse(0, 0, 0, 0.05)
    (0.0006, 1.0)
    >>> round(chance_if_worse(3, 3, 20, 0.05), 2)
    0.34
    """
    if n == 0 or margin <= 0.0:
        return 1.0
    a, c = 2.0 * n, losses * margin * (1.0 + margin)
    b = -wins - losses - (2.0 * n - wins + losses) * margin
    lost = (math.sqrt(max(b * b - 4.0 * a * c, 0.0)) - b) / (2.0 * a)
    variance = n * (2.0 * lost - margin * (1.0 + margin))
    if variance <= 0.0:
        return 1.0
    z = (wins - losses + n * margin) / math.sqrt(variance)
    return 0.5 * math.erfc(z / math.sqrt(2.0))
