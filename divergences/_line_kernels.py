"""Compiled loops over numbers on a line: a sort by distribution, and walks along two sorted samples.

Numbers are sorted by dropping each into one of as many slots as there are numbers, in the order of
value (Dobosiewicz 1978, *Sorting by distributive partitioning*): O(n) where a density is smooth, and
again inside every slot that is too full. What stays unsorted is a few places away from where it
belongs, and branch-free passes over neighbours bring it there.
"""

# Compiled kernels carry no annotations: numba infers their types.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["area_in_order", "couple", "gather", "sort", "squared_area", "tally"]

CACHED = 2**17  # numbers that are sorted in cache; more are first parted
PART, PARTS = 2**11, 2**12  # numbers in a part, on average; at most so many parts at once
FULL = 32  # a slot with more is sorted by slots of its own
LOGARITHMIC = (2, 4)  # depths at which slots have equal width in the numbers' bits, about their logarithm
DEPTH = 6  # slots in slots; deeper, comparisons sort
BLOCK = 2048  # slot numbers computed at a time, in vector registers
PASSES = 2  # over neighbours, before insertion
TERMS = 512  # summed before they are added to the total, so that rounding does not pile up


@njit(cache=True, nogil=True)
def sort(values, masses, spare, spare_masses):
    """Sort ``values`` of order 1 in place, ``masses`` (or None) with them; the spares are as long."""
    n = len(values)
    starts, ends, depths = np.empty(
        (3, n // FULL + DEPTH * PARTS + 2), np.int64
    )  # of what is yet to be sorted
    slots = np.empty(max(min(n, CACHED), PARTS), np.int32)
    starts[0], ends[0], depths[0] = 0, n, 0
    waiting, settled = 1, True
    while waiting:
        waiting -= 1
        start, end, depth = starts[waiting], ends[waiting], depths[waiting]
        part, room = values[start:end], spare[start:end]
        goods = None if masses is None else masses[start:end]
        goods_room = None if masses is None else spare_masses[start:end]
        low, high = _extent(part)
        if low == high:
            continue
        if depth == DEPTH:
            _by_comparisons(part, goods)
            continue
        many = len(part) > CACHED
        count = min(PARTS, len(part) // PART) if many else len(part)
        _distribute(part, goods, room, goods_room, low, high, depth in LOGARITHMIC, slots[:count])
        full = 1 if many else FULL
        nested, begin = False, 0
        for k in range(count):
            if slots[k] - begin > full:
                starts[waiting], ends[waiting], depths[waiting] = start + begin, start + slots[k], depth + 1
                waiting += 1
                nested = True
            begin = slots[k]
        if nested:
            part[:] = room
            if masses is not None:
                masses[start:end] = spare_masses[start:end]
            settled = settled and many
        else:
            _settle(room, goods_room, part, goods)
    if not settled:
        _insert(values, masses)


@njit(fastmath={"nnan", "ninf", "nsz", "reassoc"}, cache=True, nogil=True)
def _extent(values):
    low, high = values[0], values[0]
    for value in values:
        low, high = min(low, value), max(high, value)
    return low, high


@njit(cache=True, nogil=True, error_model="numpy")
def _distribute(values, masses, out, out_masses, low, high, logarithmic, slots):
    """Copy ``values`` slot by slot; ``slots`` becomes where each slot ends."""
    n, keys = len(values), np.empty(BLOCK, np.int32)
    if logarithmic:
        ends = _ranks(np.array([low, high]))
        low, high = ends[0], ends[1]
    slope = (len(slots) - 1) / (high - low)
    if not slope < np.inf:  # too near: all go to one slot, and on to the next depth
        slope = 0.0
    slots[:] = 0
    for start in range(0, n, BLOCK):
        block = values[start : start + BLOCK]
        _keys(_ranks(block) if logarithmic else block, low, slope, keys)
        for i in range(len(block)):
            slots[keys[i]] += 1
    total = 0
    for k in range(len(slots)):
        size = slots[k]
        slots[k] = total
        total += size
    for start in range(0, n, BLOCK):
        block = values[start : start + BLOCK]
        _keys(_ranks(block) if logarithmic else block, low, slope, keys)
        for i in range(len(block)):
            place = slots[keys[i]]
            out[place] = block[i]
            if masses is not None:
                out_masses[place] = masses[start + i]
            slots[keys[i]] = place + 1


@njit(cache=True, nogil=True)
def _keys(block, low, slope, keys):
    for i in range(len(block)):
        keys[i] = np.int32((block[i] - low) * slope)


@njit(cache=True, nogil=True)
def _ranks(block):
    """The place of each number among all that float64 holds: its bits, read as a signed integer."""
    bits = block.view(np.int64)
    ranks = np.empty(len(bits))
    for i in range(len(bits)):
        ranks[i] = np.float64(bits[i] if bits[i] >= 0 else bits[i] ^ np.int64(0x7FFFFFFFFFFFFFFF))
    return ranks


@njit(cache=True, nogil=True)
def _settle(values, masses, out, out_masses):
    """Sort what is nearly sorted, from ``values`` into ``out``."""
    n = len(values)
    for i in range(n):
        out[i] = values[i]
    if masses is not None:
        for i in range(n):
            out_masses[i] = masses[i]
    for _ in range(PASSES):
        largest = out[0]
        if masses is None:
            for i in range(1, n):
                value = out[i]
                out[i - 1] = min(largest, value)
                largest = max(largest, value)
        else:
            mass = out_masses[0]
            for i in range(1, n):
                value, other = out[i], out_masses[i]
                swap = value < largest
                out[i - 1] = value if swap else largest
                out_masses[i - 1] = other if swap else mass
                largest = largest if swap else value
                mass = mass if swap else other
            out_masses[n - 1] = mass
        out[n - 1] = largest
    _insert(out, out_masses)


@njit(cache=True, nogil=True)
def _insert(values, masses):
    """Insertion sort."""
    for i in range(1, len(values)):
        value = values[i]
        if values[i - 1] > value:
            j = i
            if masses is not None:
                mass = masses[i]
            while j > 0 and values[j - 1] > value:
                values[j] = values[j - 1]
                if masses is not None:
                    masses[j] = masses[j - 1]
                j -= 1
            values[j] = value
            if masses is not None:
                masses[j] = mass


@njit(cache=True, nogil=True)
def _by_comparisons(values, masses):
    order = np.argsort(values)
    values[:] = values[order]
    if masses is not None:
        masses[:] = masses[order]


@njit(cache=True, nogil=True)
def couple(x, a, y, b, tolerance, gaps, mass):
    """The monotone coupling of sorted samples: the gap and the mass of each of its n + m pieces.

    Where ``a`` and ``b`` are None all masses are equal, and levels are whole multiples of 1/(nm), exact
    up to n·m = 2^53. Else a level of one sample and one of the other within ``tolerance`` are one.
    """
    n, m, i, j, last, from_x = len(x), len(y), 0, 0, 0.0, True
    above_x = float(m) if a is None else a[0]
    above_y = float(n) if b is None else b[0]
    unit = 1.0 / (float(n) * float(m)) if a is None else 1.0
    for k in range(n + m):
        gaps[k] = x[min(i, n - 1)] - y[min(j, m - 1)]
        takes_x = j == m or (i < n and above_x <= above_y)
        level = above_x if takes_x else above_y
        sliver = takes_x != from_x and level - last <= tolerance
        mass[k] = 0.0 if sliver else (level - last) * unit
        last, from_x = level, takes_x
        if takes_x:
            i += 1
            if i < n:
                above_x = float(i + 1) * m if a is None else above_x + a[i]
        else:
            j += 1
            if j < m:
                above_y = float(j + 1) * n if b is None else above_y + b[j]


@njit(cache=True, nogil=True)
def squared_area(x, a, y, b):
    """∫ (F − G)² dt of sorted samples with masses ``a`` and ``b`` (None, both: all equal)."""
    n, m, i, j = len(x), len(y), 0, 0
    at, gap, total, terms = min(x[0], y[0]), 0.0, 0.0, 0.0
    for k in range(n + m):
        takes_x = j == m or (i < n and x[i] <= y[j])
        point = x[i] if takes_x else y[j]
        terms += gap * gap * (point - at)
        at = point
        if takes_x:
            gap += m if a is None else a[i]  # whole numbers: exact
            i += 1
        else:
            gap -= n if b is None else b[j]
            j += 1
        if k % TERMS == 0:
            total, terms = total + terms, 0.0
    unit = 1.0 / (float(n) * float(m)) if a is None else 1.0
    return (total + terms) * unit * unit


@njit(cache=True, nogil=True)
def tally(values, masses, unit, low, rate, edges, mass, moment):
    """Add to each cell its ``mass`` and its first ``moment`` about its left edge (no masses: ``unit``)."""
    for i in range(len(values)):
        value = values[i]
        key = np.int32((value - low) * rate)
        weight = unit if masses is None else masses[i]
        mass[key] += weight
        moment[key] += weight * (value - edges[key])


@njit(cache=True, nogil=True)
def gather(values, masses, low, rate, wanted, out, out_masses):
    """Copy what lies in wanted cells; how much that is."""
    count = 0
    for i in range(len(values)):
        if wanted[np.int32((values[i] - low) * rate)]:
            out[count] = values[i]
            if masses is not None:
                out_masses[count] = masses[i]
            count += 1
    return count


@njit(cache=True, nogil=True)
def area_in_order(x, a, unit_x, y, b, unit_y, low, rate, edges, gaps):
    """∫ |F − G| dt over the cells that the sorted numbers lie in; ``gaps`` are F − G at left edges."""
    n, m, i, j = len(x), len(y), 0, 0
    cell, at, gap, total, terms = np.int32(-1), 0.0, 0.0, 0.0, 0.0
    for k in range(n + m):
        takes_x = j == m or (i < n and x[i] <= y[j])
        point = x[i] if takes_x else y[j]
        key = np.int32((point - low) * rate)
        if key != cell:
            if cell >= 0:
                terms += abs(gap) * (edges[cell + 1] - at)
            cell, at, gap = key, edges[key], gaps[key]
        terms += abs(gap) * (point - at)
        at = point
        if takes_x:
            gap += unit_x if a is None else a[i]
            i += 1
        else:
            gap -= unit_y if b is None else b[j]
            j += 1
        if k % TERMS == 0:
            total, terms = total + terms, 0.0
    if cell >= 0:
        terms += abs(gap) * (edges[cell + 1] - at)
    return total + terms
