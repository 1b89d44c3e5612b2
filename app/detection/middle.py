"""The middle of sixteen values, without a branch: as often as a block ends."""

from __future__ import annotations

from app.domain import FloatArray
from app.domain.compiled import compiled

SIXTEEN = 16


@compiled
def middle(v: FloatArray) -> tuple[float, float]:
    """Give the two middle values of sixteen, in order.

    The network of 60 comparators of Green, less those that neither of them needs.

    References
    ----------
    Knuth (1998), The Art of Computer Programming 3, 2nd ed., 5.3.4: networks for
    sorting.
    """
    a = v[0]
    b = v[1]
    c = v[2]
    d = v[3]
    e = v[4]
    f = v[5]
    g = v[6]
    h = v[7]
    i = v[8]
    j = v[9]
    k = v[10]
    q = v[11]
    m = v[12]
    n = v[13]
    o = v[14]
    p = v[15]
    a, b = min(a, b), max(a, b)
    c, d = min(c, d), max(c, d)
    e, f = min(e, f), max(e, f)
    g, h = min(g, h), max(g, h)
    i, j = min(i, j), max(i, j)
    k, q = min(k, q), max(k, q)
    m, n = min(m, n), max(m, n)
    o, p = min(o, p), max(o, p)
    a, c = min(a, c), max(a, c)
    b, d = min(b, d), max(b, d)
    e, g = min(e, g), max(e, g)
    f, h = min(f, h), max(f, h)
    i, k = min(i, k), max(i, k)
    j, q = min(j, q), max(j, q)
    m, o = min(m, o), max(m, o)
    n, p = min(n, p), max(n, p)
    a, e = min(a, e), max(a, e)
    b, f = min(b, f), max(b, f)
    c, g = min(c, g), max(c, g)
    d, h = min(d, h), max(d, h)
    i, m = min(i, m), max(i, m)
    j, n = min(j, n), max(j, n)
    k, o = min(k, o), max(k, o)
    q, p = min(q, p), max(q, p)
    a, i = min(a, i), max(a, i)
    b, j = min(b, j), max(b, j)
    c, k = min(c, k), max(c, k)
    d, q = min(d, q), max(d, q)
    e, m = min(e, m), max(e, m)
    f, n = min(f, n), max(f, n)
    g, o = min(g, o), max(g, o)
    h, p = min(h, p), max(h, p)
    f, k = min(f, k), max(f, k)
    g, j = min(g, j), max(g, j)
    d, m = min(d, m), max(d, m)
    n, o = min(n, o), max(n, o)
    e, i = min(e, i), max(e, i)
    h, q = min(h, q), max(h, q)
    b, c = min(b, c), max(b, c)
    h, n = min(h, n), max(h, n)
    c, i = min(c, i), max(c, i)
    f, g = min(f, g), max(f, g)
    j, k = min(j, k), max(j, k)
    d, i = min(d, i), max(d, i)
    h, m = min(h, m), max(h, m)
    g, i = min(g, i), max(g, i)
    k, m = min(k, m), max(k, m)
    d, f = min(d, f), max(d, f)
    h, j = min(h, j), max(h, j)
    f, g = min(f, g), max(f, g)
    h, i = min(h, i), max(h, i)
    j, k = min(j, k), max(j, k)
    g, h = min(g, h), max(g, h)
    i, j = min(i, j), max(i, j)
    return h, i
