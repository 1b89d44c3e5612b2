"""The one test behind every comparison of two models on the same rows."""

from __future__ import annotations


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
