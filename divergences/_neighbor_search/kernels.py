"""Compiled loops over tiles: products, thresholds, exact distances, k smallest.

``low`` of a pair is a lower bound of its squared distance that a product in the tiles' precision
proves (see ``tiles``). Pairs whose bound passes a threshold are evaluated in float64 from direct
differences; nothing else ever decides.
"""

# Compiled kernels carry no annotations: numba infers their types.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"
from __future__ import annotations

import numba
import numpy as np

__all__ = ["GROUP", "NONE_WANTED", "NONE_YET", "SAFETY", "TINY", "count_tiles", "fill_tiles", "search_tiles"]

GROUP = 64  # columns tested at once: four of the widest vectors
LINE = 16  # numbers of a line of the cache
TINY = 1e-30  # added to squared lengths where the largest is 1: products smaller than this underflow
SAFETY = 1.02  # on error bounds, for their terms of second order
NONE_YET = np.float32(3e38)  # as a threshold; below the inf that padding carries
NONE_WANTED = np.float32(-np.inf)


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _squared(s, t):
    total = 0.0
    for k in range(len(s)):
        step = s[k] - t[k]
        total += step * step
    return total


@numba.njit(cache=True, nogil=True)
def _offer(value, column, values, columns):
    """Put a pair into the heap of the k smallest by (value, column), if it is one of them."""
    k = len(values)
    if value > values[0] or (value == values[0] and column >= columns[0]):
        return False
    place = 0
    while True:
        child, other = 2 * place + 1, 2 * place + 2
        if child >= k:
            break
        if other < k and (
            values[other] > values[child]
            or (values[other] == values[child] and columns[other] > columns[child])
        ):
            child = other
        if value > values[child] or (value == values[child] and column > columns[child]):
            break
        values[place], columns[place] = values[child], columns[child]
        place = child
    values[place], columns[place] = value, column
    return True


@numba.njit(cache=True, nogil=True)
def _limit(value, scale):
    """The threshold that a k-th smallest value sets: from above, and clear of where float32 ends."""
    if value == 0:
        return NONE_WANTED  # nothing is nearer; of more rows at distance 0 any will do
    return min(np.float32(value * scale * (1 + 2.0**-22) + TINY), NONE_YET)


@numba.njit(cache=True, nogil=True)
def _box_bounds(box, boxes, slack, out):
    """Lower bounds of the squared distances between points of ``box`` and points of each of ``boxes``."""
    for j in range(len(boxes)):
        total = 0.0
        for k in range(box.shape[1]):
            gap = max(0.0, boxes[j, 0, k] - box[1, k], box[0, k] - boxes[j, 1, k])
            total += gap * gap
        out[j] = total * (1 - 1e-9) - slack


@numba.njit(cache=True, nogil=True)
def _multiply(rows, tile, product, part):
    """rows · tile, a slice of the features at a time: products this small need no packing in BLAS."""
    np.dot(rows[0], tile[0], product)
    for s in range(1, len(rows)):
        np.dot(rows[s], tile[s], part)
        for r in range(len(product)):
            for c in range(product.shape[1]):
                product[r, c] += part[r, c]


@numba.njit(cache=True, nogil=True)
def fill_tiles(x, order, centre, scale, unit, rows, tiles, low):
    """Rows, or −2 times them as columns, about ``centre`` and scaled; and (1 − error bound) ‖x‖²."""
    shape = rows.shape if len(rows) else tiles.shape
    slices, step = shape[1], shape[3] if len(rows) else shape[2]
    d, width = x.shape[1], order.shape[1]
    kept = 1 - SAFETY * (slices * step + 16) * unit
    tile = np.empty((width, d), low.dtype)
    for i in range(len(order)):
        for r in range(width):
            if order[i, r] < 0:
                low[i, r] = np.inf
                tile[r] = 0
                continue
            row = x[order[i, r]]
            square = 0.0
            for k in range(d):
                value = (row[k] - centre[k]) * scale
                square += value * value
                tile[r, k] = value
            low[i, r] = square * kept
        for s in range(slices):
            start, stop = s * step, min((s + 1) * step, d)
            if len(rows):
                rows[i, s, :, : stop - start] = tile[:, start:stop]
            if len(tiles):
                # block by block: what is read column by column stays in the first cache
                for block in range(start, stop, LINE):
                    for k in range(block, min(block + LINE, stop)):
                        for r in range(width):
                            tiles[i, s, k - start, r] = -2 * tile[r, k]


# Counting in a loop of fixed length is the form of "any" that the compiler makes vectors of.


@numba.njit(cache=True, nogil=True)
def _any_for_row(product, low, limit):
    found = np.int32(0)
    for c in range(GROUP):
        found += np.int32(product[c] + low[c] <= limit)
    return found > 0


@numba.njit(cache=True, nogil=True)
def _any_for_either(product, low, limit, column_limits, shift):
    found = np.int32(0)
    for c in range(GROUP):
        found += np.int32(product[c] + low[c] <= max(limit, column_limits[c] - shift))
    return found > 0


@numba.njit(cache=True, nogil=True)
def search_tiles(
    first, last, base, symmetric, diagonal, exclude_self, x, y, x_side, y_side, frame, values, columns, limits
):
    """Row tiles ``first`` to ``last`` against all column tiles; how many pairs were evaluated.

    ``values, columns`` (tiles from ``base`` on, width, k) are heaps of what is nearest so far, ``limits``
    (tiles, width) what a pair must not exceed to matter. Where ``symmetric`` (y is x) a product
    serves its rows and its columns: first every tile with itself (``diagonal``), then those above.
    """
    rows, _, x_low, x_order, x_boxes = x_side
    _, tiles, y_low, y_order, y_boxes = y_side
    scale, slack = frame
    count, _, _, width = tiles.shape
    product, part = np.empty((width, width), rows.dtype), np.empty((width, width), rows.dtype)
    groups = product.reshape(width, width // GROUP, GROUP)
    lows = y_low.reshape(count, width // GROUP, GROUP)
    column_limits = limits.reshape(len(limits), width // GROUP, GROUP)
    bounds = np.empty(count)
    evaluated = 0
    for i in range(first, last):
        _box_bounds(x_boxes[i], y_boxes, slack, bounds)
        if symmetric:
            bounds[: i + 1] = np.inf
        if diagonal:
            bounds[:] = np.inf
            bounds[i] = -slack
        both = symmetric and not diagonal
        for j in np.argsort(bounds):
            if bounds[j] == np.inf:
                break
            reach = limits[i - base].max()
            if both:
                reach = max(reach, limits[j - base].max())
            if bounds[j] > reach:
                if both:
                    continue  # a tile behind may reach farther itself
                break
            _multiply(rows[i], tiles[j], product, part)
            for r in range(width):
                own = x_order[i, r]
                if own < 0:
                    break
                shift = x_low[i, r]
                limit = limits[i - base, r] - shift
                for g in range(width // GROUP):
                    if both:
                        if not _any_for_either(
                            groups[r, g], lows[j, g], limit, column_limits[j - base, g], shift
                        ):
                            continue
                    elif not _any_for_row(groups[r, g], lows[j, g], limit):
                        continue
                    for c in range(GROUP):
                        low = groups[r, g, c] + lows[j, g, c]
                        for_row = low <= limit
                        for_column = both and low <= column_limits[j - base, g, c] - shift
                        if not (for_row or for_column):
                            continue
                        s = g * GROUP + c
                        other = y_order[j, s]
                        if exclude_self and own == other:
                            continue
                        evaluated += 1
                        value = _squared(x[own], y[other])
                        if for_row and _offer(value, other, values[i - base, r], columns[i - base, r]):
                            limits[i - base, r] = _limit(values[i - base, r, 0], scale)
                            limit = limits[i - base, r] - shift
                        if for_column and _offer(value, own, values[j - base, s], columns[j - base, s]):
                            limits[j - base, s] = _limit(values[j - base, s, 0], scale)
    return evaluated


@numba.njit(cache=True, nogil=True)
def count_tiles(first, last, x, y, x_side, y_side, frame, x_radii, y_radii, inside, edge, x_held, y_held):
    """Row tiles ``first`` to ``last``: who lies in whose ball; how many pairs were evaluated.

    Of ``x_radii`` and ``y_radii`` each is (strictly inside below this, closed up to this, the latter
    scaled and from above by tile): arrays (n,), (n,), (tiles, width). ``inside`` and ``edge`` count
    what is strictly inside and on the edge of the balls about rows of x; ``x_held`` and ``y_held``
    the balls of the other side that hold each row.
    """
    rows, _, x_low, x_order, x_boxes = x_side
    _, tiles, y_low, y_order, y_boxes = y_side
    scale, slack = frame
    x_strict, x_closed, x_limits = x_radii
    y_strict, y_closed, y_limits = y_radii
    count, slices, features, width = tiles.shape
    unit = 0.5 * np.finfo(rows.dtype).eps
    widening = 2 * SAFETY**2 * (slices * features + 16) * unit
    product, part = np.empty((width, width), rows.dtype), np.empty((width, width), rows.dtype)
    groups = product.reshape(width, width // GROUP, GROUP)
    lows = y_low.reshape(count, width // GROUP, GROUP)
    column_limits = y_limits.reshape(count, width // GROUP, GROUP)
    bounds = np.empty(count)
    evaluated = 0
    for i in range(first, last):
        _box_bounds(x_boxes[i], y_boxes, slack, bounds)
        for j in range(count):
            if bounds[j] > max(x_limits[i].max(), y_limits[j].max()):
                continue
            _multiply(rows[i], tiles[j], product, part)
            for r in range(width):
                own = x_order[i, r]
                if own < 0:
                    break
                shift = x_low[i, r]
                limit = x_limits[i, r] - shift
                for g in range(width // GROUP):
                    if not _any_for_either(groups[r, g], lows[j, g], limit, column_limits[j, g], shift):
                        continue
                    for c in range(GROUP):
                        low = groups[r, g, c] + lows[j, g, c]
                        for_row = low <= limit
                        for_column = low <= column_limits[j, g, c] - shift
                        if not (for_row or for_column):
                            continue
                        other = y_order[j, g * GROUP + c]
                        # what the product proves from above settles most pairs in crowded balls
                        spread = widening * (np.float64(shift) + lows[j, g, c])
                        high = (np.float64(low) + shift + spread + TINY) / scale
                        sure_row = not for_row or high < x_strict[own]
                        sure_column = not for_column or high < y_strict[other]
                        value = high
                        if not (sure_row and sure_column):
                            evaluated += 1
                            value = _squared(x[own], y[other])
                        if for_row and value <= x_closed[own]:
                            y_held[other] += 1
                            if value < x_strict[own]:
                                inside[own] += 1
                            else:
                                edge[own] += 1
                        if for_column and value <= y_closed[other]:
                            x_held[own] += 1
    return evaluated
