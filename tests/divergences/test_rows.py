"""Rows of any source: the numbers of its array, converted and framed as in memory, each chunk read once."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from row_sources import KINDS, Sliced

from divergences._rows import Rows, is_row_source

# ── rows ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_the_arrays(kind, source, both):
    x, _ = both
    rows = Rows(source(kind, x))
    assert (rows.shape, rows.dtype, rows.ndim, len(rows)) == (x.shape, np.float64, 2, 1003)
    assert np.array_equal(rows.load(), x)
    for step in (1, 7, 97, 100, 110, 5000, None):
        blocks = list(rows.blocks(step))
        assert [part.start for part, _ in blocks[1:]] == [part.stop for part, _ in blocks[:-1]]
        assert np.array_equal(np.concatenate([block for _, block in blocks]), x)
        assert step is None or max(len(block) for _, block in blocks) <= step
    for part in (slice(5, 9), slice(90, 205), slice(1000, None), slice(-3, None), slice(4, 4), slice(9, 2)):
        assert np.array_equal(rows[part], x[part])
    assert np.array_equal(rows.part(120, 900)[3:400], x[123:520])
    chosen = np.array([1002, 0, 5, 5, 400])
    assert np.array_equal(rows.take(chosen), x[chosen])


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_rows_go_to_other_processes(kind, source, both):
    x, _ = both
    made = source(kind, x)
    rows = Rows(made).framed(np.array([8.0, 0.0, 0.0]), 2.0).part(50, 700)
    sent = pickle.dumps(rows)
    assert kind.startswith("dask") or len(sent) < 2000, "the numbers were sent, not the name"
    assert np.array_equal(pickle.loads(sent).load(), (x[50:700] - [8.0, 0, 0]) / 2)


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", ">f4", "f8", ">f8", "i1", "u2", ">i4", "i8", "u8", "bool", "longdouble"]
)
def test_numbers_are_converted_as_in_memory(dtype, rng):
    values = rng.integers(0, 2 if dtype == "bool" else 100, size=(50, 2)).astype(dtype)
    rows = Rows(Sliced(values))
    assert rows.dtype == (np.float32 if dtype.endswith("f4") else np.float64)
    assert rows[3:9].dtype == rows.dtype
    assert rows[3:9].dtype.isnative
    assert np.array_equal(rows.load(), values.astype(np.float64))


@pytest.mark.parametrize("chunk", [1, 7, 64, 999, 5000])
@pytest.mark.parametrize("step", [1, 10, 64, 300, 5000])
def test_a_pass_reads_each_chunk_once(chunk, step, rng):
    kept = Sliced(rng.normal(size=(1003, 2)), chunk)
    for _ in Rows(kept).blocks(step):
        pass
    assert set(kept.reads.values()) == {1}
    assert len(kept.reads) == -(-1003 // chunk)


def test_a_chunk_too_large_to_keep_is_read_in_part(rng, streamed):
    kept = Sliced(rng.normal(size=(2000, 8)), 2000)  # 128 kB in 20 kB of working memory
    assert [len(block) for _, block in Rows(kept).blocks(500)] == [500] * 4
    assert Rows(kept)[10:20].shape == (10, 8)
    assert kept.reads[0] == 5


def test_float32_stays_where_the_frame_is_exact(rng):
    values = (rng.normal(size=(50, 1)) + 1000).astype(np.float32)
    rows = Rows(Sliced(values))
    exact = rows.framed(np.array([1000.0]), 4.0)
    assert exact.dtype == exact[0:5].dtype == np.float32
    assert np.array_equal(exact.load().astype(float), (values.astype(float) - 1000) / 4)
    for origin, scale in ((1000.1, 4.0), (1000.0, 2.0**40)):
        wide = rows.framed(np.array([origin]), scale)
        assert wide.dtype == wide[0:5].dtype == np.float64
        assert np.array_equal(wide.load(), (values.astype(float) - origin) / scale)
    far = Rows(Sliced(values.astype(float) * 1e300)).framed(np.array([0.0]), 2.0**1000)
    assert np.array_equal(far.load(), values.astype(float) * 1e300 / 2.0**1000)


def test_rows_refuse_to_be_loaded_by_accident(rng):
    rows = Rows(Sliced(rng.normal(size=(50, 2))))
    with pytest.raises(TypeError, match=r"rows\.load\(\)"):
        np.asarray(rows)
    with pytest.raises(TypeError, match="by slices"):
        rows[3]
    with pytest.raises(ValueError, match="a step of 2"):
        rows[::2]


def test_a_source_that_lies_about_its_length(rng):
    short = Sliced(rng.normal(size=(50, 2)))
    short.shape = (60, 2)
    with pytest.raises(ValueError, match=r"gave 10 rows for the slice 40:60"):
        Rows(short)[40:60]


def test_what_is_a_row_source(tmp_path, rng):
    import pandas as pd

    values = rng.normal(size=(5, 2))
    np.save(tmp_path / "x.npy", values)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert is_row_source(mapped)
    assert is_row_source(Sliced(values))
    frame = pd.DataFrame(values)
    for other in (values, torch.tensor(values), values.tolist(), frame, frame[0], np.float64(3.0), None, "x"):
        assert not is_row_source(other)
