"""Every format round trips; every bad file is one line that names it."""

from __future__ import annotations

import gzip
import io
import struct
import sys
import types
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from divergences import readers
from divergences.readers import ReadError, located, read

SAMPLES = np.random.default_rng(0).normal(size=(12, 5))
BYTES = np.random.default_rng(1).integers(0, 256, size=(7, 4, 6), dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    code = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_npy(path, array):
    np.save(path, array)


def write_npz(path, array):
    np.savez(path, samples=array)


def write_torch(path, array):
    torch.save(torch.tensor(array), path)


def write_csv(path, array):
    pandas.DataFrame(array, columns=list("abcde")).to_csv(path, index=False)


def write_tsv(path, array):
    pandas.DataFrame(array, columns=list("abcde")).to_csv(path, index=False, sep="\t")


def write_parquet(path, array):
    pandas.DataFrame(array, columns=list("abcde")).to_parquet(path)


def write_idx(path, array):
    content = idx(array)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_hdf5(path, array):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        # .h5 in one piece, which is mapped; .hdf5 in compressed chunks
        how = {} if path.suffix == ".h5" else {"chunks": (5, *array.shape[1:]), "compression": "gzip"}
        file.create_dataset("some/where", data=array, **how)


WRITERS = {
    "s.npy": write_npy,
    "s.h5": write_hdf5,
    "s.hdf5": write_hdf5,
    "s.npz": write_npz,
    "s.pt": write_torch,
    "s.pth": write_torch,
    "s.csv": write_csv,
    "s.tsv": write_tsv,
    "s.parquet": write_parquet,
    "s.idx": write_idx,
    "s.idx.gz": write_idx,
    "train-samples-idx2-ubyte": write_idx,
    "train-samples-idx2-ubyte.gz": write_idx,
    "no-ending": write_idx,
    "no-ending.gz": write_idx,
}


@pytest.fixture
def saved(tmp_path):
    """Write an array under a name of its format and return the path."""

    def write(name, array):
        path = tmp_path / name
        WRITERS[name](path, array)
        return path

    return write


# ── what is taken ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", WRITERS)
def test_round_trip(saved, name):
    path = saved(name, SAMPLES)
    data = read(path)
    np.testing.assert_array_equal(data.array, SAMPLES)
    assert data.array.dtype == np.float64
    assert data.image_shape is None
    assert data.source == str(path)
    assert data.names == (tuple("abcde") if name.endswith(("csv", "tsv", "parquet")) else None)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("text", "rows"), [("[2:5]", slice(2, 5)), ("[:3]", slice(3)), ("[9:]", slice(9, None))]
)
def test_a_slice_may_follow_any_name(saved, name, text, rows):
    path = saved(name, SAMPLES)
    np.testing.assert_array_equal(read(f"{path}{text}").array, SAMPLES[rows])
    np.testing.assert_array_equal(read(path, rows=rows).array, SAMPLES[rows])


def test_rows_are_cut_after_the_slice_in_the_name(saved):
    data = read(f"{saved('s.npy', SAMPLES)}[2:10]", rows=slice(1, 3))
    np.testing.assert_array_equal(data.array, SAMPLES[3:5])


def test_a_file_really_named_with_brackets_wins(tmp_path):
    np.save(tmp_path / "run[0:2].npy", SAMPLES)
    np.save(tmp_path / "a.npy", SAMPLES)
    (tmp_path / "a.npy").rename(tmp_path / "a-ubyte[0:2]")
    (tmp_path / "b-idx2-ubyte[0:2]").write_bytes(idx(SAMPLES))
    assert len(read(tmp_path / "run[0:2].npy").array) == 12
    assert len(read(tmp_path / "b-idx2-ubyte[0:2]").array) == 12


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_idx_of_every_type(tmp_path, kind):
    array = np.arange(12).reshape(4, 3).astype(kind)
    path = tmp_path / "a.idx"
    path.write_bytes(idx(array))
    data = read(path)
    np.testing.assert_array_equal(data.array, array)
    assert data.array.dtype == (np.float32 if kind == "f4" else np.float64)
    assert data.array.dtype.isnative


@pytest.mark.parametrize("name", ["s.npy", "s.npz", "s.pt", "s.idx", "s.idx.gz"])
def test_images_of_bytes_come_flattened_in_zero_to_one(saved, name):
    data = read(saved(name, BYTES))
    np.testing.assert_array_equal(data.array, BYTES.reshape(7, -1) / 255)
    assert data.image_shape == (4, 6)


def test_arrays_of_more_axes_that_are_not_bytes_keep_their_values(saved):
    array = SAMPLES.reshape(3, 4, 5)
    data = read(saved("s.npy", array))
    np.testing.assert_array_equal(data.array, array.reshape(3, -1))
    assert data.image_shape == (4, 5)


def test_channels_first_and_last_agree(saved):
    last = np.random.default_rng(2).random((5, 8, 7, 3))
    first = np.moveaxis(last, 3, 1)
    a, b = read(saved("s.npy", last)), read(saved("s.pt", first))
    np.testing.assert_array_equal(a.array, b.array)
    assert a.image_shape == b.image_shape == (8, 7, 3)
    assert read(saved("s.npy", last[:, None, :, :, 0])).image_shape == (8, 7)
    assert read(saved("s.npy", np.zeros((2, 3, 4, 5, 6)))).image_shape is None


@pytest.mark.parametrize(
    ("stored", "expected"),
    [("<f4", np.float32), (">f4", np.float32), ("<f2", np.float64), (">f8", np.float64), ("i8", np.float64),
     ("u1", np.float64), ("?", np.float64)],
)  # fmt: skip
def test_dtypes(tmp_path, stored, expected):
    array = np.array([[0, 1], [1, 0]]).astype(stored)
    np.save(tmp_path / "a.npy", array)
    data = read(tmp_path / "a.npy")
    assert data.array.dtype == expected
    assert data.array.dtype.isnative
    np.testing.assert_array_equal(data.array, array)


def test_bfloat16_tensors(tmp_path):
    torch.save(torch.tensor([[1.5], [2.5]], dtype=torch.bfloat16, requires_grad=True), tmp_path / "a.pt")
    np.testing.assert_array_equal(read(tmp_path / "a.pt").array, [[1.5], [2.5]])


def test_one_axis_is_samples_of_one_dimension(saved):
    assert read(saved("s.npy", SAMPLES[:, 0])).array.shape == (12, 1)


def test_a_large_npy_is_mapped(saved, monkeypatch):
    monkeypatch.setattr(readers.arrays, "MAP_BYTES", 1)
    data = read(f"{saved('s.npy', SAMPLES)}[1:]")
    assert isinstance(data.array, np.memmap)
    np.testing.assert_array_equal(data.array, SAMPLES[1:])


def test_nan_is_left_to_the_measures(saved):
    array = SAMPLES.copy()
    array[3, 2] = np.nan
    for name in ("s.npy", "s.parquet"):
        assert np.isnan(read(saved(name, array)).array[3, 2])


@pytest.mark.parametrize("name", ["two.npz", "two.pt"])
def test_one_of_several_arrays(tmp_path, name):
    path = tmp_path / name
    arrays = {"real": SAMPLES, "fake": SAMPLES + 1}
    if name.endswith("npz"):
        np.savez(path, **arrays)
    else:
        torch.save({key: torch.tensor(value) for key, value in arrays.items()} | {"step": 3}, path)
    np.testing.assert_array_equal(read(f"{path}:fake").array, SAMPLES + 1)
    np.testing.assert_array_equal(read(f"{path}:real[:2]").array, SAMPLES[:2])
    with pytest.raises(ReadError, match=r"must hold one array, has 2 \(real, fake\); choose one: .*:real"):
        read(path)
    with pytest.raises(ReadError, match="has no array 'model'; it holds real, fake"):
        read(f"{path}:model")


# ── tables ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [
        ("1,2\n3,4\n", None, 2),
        ("a,b\n1,2\n3,4\n", ("a", "b"), 2),
        ("\ufeffa;b\r\n1;2\r\n\r\n3;4\r\n", ("a", "b"), 2),
        ('"a, b","c"\n1,2\n', ("a, b", "c"), 1),
        ("1e-3\n-inf\n", None, 2),
        ("0,1,2\n5,6,7\n", ("0", "1", "2"), 1),  # pandas numbers its columns so
        ("0,1\n0.5,0.25\n", ("0", "1"), 1),
        ("0,1\n1,0\n", None, 2),
    ],
)
def test_csv_with_and_without_a_header(tmp_path, text, names, rows):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    data = read(path)
    assert data.names == names
    assert len(data.array) == rows


def test_columns_are_chosen_by_name(tmp_path):
    frame = pandas.DataFrame({"a": [1.0, 2], "species": ["x", "y"], "b": [3.0, 4]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        data = read(f"{tmp_path / name}:b,a[1:]")
        assert data.names == ("b", "a")
        np.testing.assert_array_equal(data.array, [[4, 2]])
        with pytest.raises(ReadError, match=r"column 'species' .*; choose others: .*:a,b"):
            read(tmp_path / name)
        with pytest.raises(ReadError, match="has no column 'c'; its columns are a, species, b"):
            read(f"{tmp_path / name}:a,c")


def test_parquet_keeps_single_precision_and_missing_values(tmp_path):
    pandas.DataFrame({"a": np.float32([1, 2])}).to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").array.dtype == np.float32
    pandas.DataFrame({"a": pandas.array([1, None], dtype="Int64")}).to_parquet(tmp_path / "b.parquet")
    np.testing.assert_array_equal(read(tmp_path / "b.parquet").array, [[1], [np.nan]])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,b\n1,cat\n", "column 'b' \\('cat' in line 2\\)"),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", "column '2' \\('setosa' in line 1\\); choose others: .*:0,1"),
        ("a,b\n1,\n", "column 'b' \\('' in line 2\\)"),
        (",a,b\n0,1,2\n", "column 1 has no name .*choose columns: .*:a,b"),
        (",0,1\n0,1.5,2\n", "column 1 has no name .*choose columns: .*:0,1"),
        ("1,2\n3\n", "columns"),
        ("a,b\n", "no samples"),
        ("\n \n", "no samples"),
    ],
)
def test_bad_tables(tmp_path, text, complaint):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(ReadError, match=complaint):
        read(path)


def test_standard_input(monkeypatch):
    for text in ("a,b\n1,2\n3,4\n5,6\n", "1,2\n3,4\n5,6\n"):
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(text.encode())))
        np.testing.assert_array_equal(read("-[1:]").array, [[3, 4], [5, 6]])


# ── images ──────────────────────────────────────────────────────────────────────────────────


def folder_of(tmp_path, images, name="images"):
    folder = tmp_path / name
    folder.mkdir()
    for file, image in images.items():
        image.save(folder / file)
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.mark.parametrize(
    ("ending", "mode"), [("png", "L"), ("png", "RGB"), ("bmp", "L"), ("webp", "RGB"), ("tiff", "RGB")]
)
def test_a_folder_of_images(tmp_path, ending, mode):
    pixels = np.random.default_rng(3).integers(0, 256, (3, 5, 4) + ((3,) if mode == "RGB" else ()), np.uint8)
    names = [f"b.{ending}", f"a.{ending}", f"c.{ending}"]
    folder = tmp_path / "images"
    folder.mkdir()
    for name, image in zip(names, pixels, strict=True):
        Image.fromarray(image).save(folder / name, **({"lossless": True} if ending == "webp" else {}))
    data = read(folder)
    np.testing.assert_array_equal(data.array, pixels[[1, 0, 2]].reshape(3, -1) / 255)
    assert data.image_shape == pixels.shape[1:]
    np.testing.assert_array_equal(read(f"{folder}[1:2]").array, data.array[1:2])


def test_palettes_become_colours_and_bits_become_grey(tmp_path):
    grey = Image.fromarray(BYTES[0])
    folder = folder_of(tmp_path, {"a.png": grey.convert("RGB").convert("P"), "b.png": grey.convert("RGB")})
    assert read(folder).image_shape == (4, 6, 3)
    assert read(folder_of(tmp_path, {"a.png": grey.convert("1")}, "bits")).image_shape == (4, 6)


def test_images_that_differ_are_named(tmp_path):
    grey = Image.fromarray(BYTES[0])
    images = {"a.png": grey, "b.png": grey, "c.png": grey.convert("RGB"), "d.png": grey.resize((2, 2))}
    folder = folder_of(tmp_path, images)
    with pytest.raises(ReadError, match=r"of one size and mode; a\.png is 6x4 L, c\.png is 6x4 RGB"):
        read(folder)
    (folder / "c.png").unlink()
    with pytest.raises(ReadError, match=r"a\.png is 6x4 L, d\.png is 2x2 L"):
        read(folder)


def test_bad_folders(tmp_path):
    with pytest.raises(ReadError, match="no images directly in it"):
        read(tmp_path)
    folder = folder_of(tmp_path, {"a.png": Image.fromarray(BYTES[0])})
    with pytest.raises(ReadError, match="no rows left of 1"):
        read(f"{folder}[5:]")
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:50])
    with pytest.raises(ReadError, match=r"b\.png: is damaged or no image"):
        read(folder)
    deep = folder_of(tmp_path, {"a.png": Image.fromarray(BYTES[0].astype(np.uint16))}, "deep")
    with pytest.raises(ReadError, match="mode I;16 is not taken"):
        read(deep)


# ── what is refused ─────────────────────────────────────────────────────────────────────────


def refusal(path) -> str:
    """The message of the refusal: one line that names the file."""
    with pytest.raises(ReadError) as caught:
        read(path)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


@pytest.mark.parametrize("name", WRITERS)
def test_missing_empty_and_damaged_files(tmp_path, saved, name):
    path = tmp_path / name
    assert "no such file" in refusal(path)
    path.touch()
    assert "the file is empty" in refusal(path)
    if name.startswith("no-ending"):
        return
    if path.suffix not in (".csv", ".tsv"):  # half a table is a table
        whole = saved(name, SAMPLES).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        assert "truncated" in refusal(path) or "damaged" in refusal(path)
    path.write_bytes(b"\x80\xff this is nothing at all")
    refusal(path)


@pytest.mark.parametrize("name", WRITERS)
def test_no_rows_left(saved, name):
    path = saved(name, SAMPLES)
    with pytest.raises(ReadError, match="no rows left of 12"):
        read(f"{path}[12:]")
    with pytest.raises(ReadError, match=r"rows are chosen as \[start:stop\]"):
        read(f"{path}[::2]")


def test_idx_of_another_length(tmp_path):
    path = tmp_path / "a.idx"
    path.write_bytes(idx(BYTES) + b"\0")
    assert "is damaged: shape (7, 4, 6) takes 184 bytes, it has 185" in refusal(path)
    path.write_bytes(idx(BYTES)[:7])
    assert "truncated within its header" in refusal(path)
    path.write_bytes(struct.pack(">BBBBII", 0, 0, 8, 2, 2**31, 2**31))
    assert "is truncated" in refusal(path)
    path.write_bytes(b"plain text")
    assert "is not an idx file" in refusal(path)


def test_nothing_is_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", np.array([{}], dtype=object))
    torch.save({"model": torch.nn.Linear(2, 2)}, tmp_path / "a.pt")
    for name in ("a.npy", "a.npz", "a.pt"):
        assert "never loaded" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.zeros((0, 3)), "no samples in it"),
        (np.zeros((3, 0)), "no samples in it"),
        (np.float64(3), "holds a single number"),
        (np.zeros(3, complex), "must be real numbers"),
        (np.array(["a", "b"]), "must be real numbers"),
        (np.zeros(3, [("a", "f8")]), "must be real numbers"),
    ],
)
def test_arrays_that_are_no_samples(saved, array, complaint):
    assert complaint in refusal(saved("s.npy", array))


def test_tensors_that_are_no_samples(tmp_path):
    for value, complaint in (
        ([1, 2], "must hold a tensor"),
        ({"step": 3}, "must hold one array, has 0"),
        (torch.eye(3).to_sparse(), "dense"),
    ):
        torch.save(value, tmp_path / "a.pt")
        assert complaint in refusal(tmp_path / "a.pt")
    torch.save(torch.eye(3), tmp_path / "a.pt")
    with pytest.raises(ReadError, match="no named tensors"):
        read(f"{tmp_path / 'a.pt'}:real")


def test_unknown_formats_list_the_known(tmp_path):
    (tmp_path / "a.mat").write_bytes(b"MATLAB")
    assert "unknown format ('.mat'); known are .npy, .npz" in refusal(tmp_path / "a.mat")
    (tmp_path / "a").write_bytes(b"text")
    assert "(no ending)" in refusal(tmp_path / "a")
    np.save(tmp_path / "a.npy", SAMPLES)
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    assert "is not a .npz archive" in refusal(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [("s.pt", "torch", r"divergences\[torch\]"), ("s.parquet", "pandas", r"divergences\[tables\]"),
     ("s.parquet", "pyarrow", r"divergences\[tables\]")],
)  # fmt: skip
def test_a_missing_library_is_named_with_its_extra(saved, monkeypatch, name, module, extra):
    path = saved(name, SAMPLES)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ReadError, match=f"pip install '{extra}'"):
        read(path)


# ── stores ──────────────────────────────────────────────────────────────────────────────────


def test_hdf5_is_mapped_where_it_lies_in_one_piece(saved, tmp_path):
    assert isinstance(read(saved("s.h5", SAMPLES.astype(np.float32))).array, np.memmap)
    assert not isinstance(read(saved("s.hdf5", SAMPLES)).array, np.memmap)
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["real"], file["group/fake"], file["text"] = SAMPLES, SAMPLES + 1, "abc"
    assert np.array_equal(read(f"{path}:group/fake[2:4]").array, SAMPLES[2:4] + 1)
    with pytest.raises(ReadError, match=r"must hold one array, has 3 \(group/fake, real, text\).*two.h5:"):
        read(path)
    with pytest.raises(ReadError, match=r"has no array 'other'; it holds group/fake"):
        read(f"{path}:other")
    with pytest.raises(ReadError, match=r"holds \|S3 values"):
        read(f"{path}:text")
    path.write_bytes(b"no such thing")
    with pytest.raises(ReadError, match="is damaged or no HDF5 file"):
        read(path)


def test_zarr(tmp_path):
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "s.zarr"
    zarr.save_array(str(path), SAMPLES)
    assert np.array_equal(read(path).array, SAMPLES)
    assert np.array_equal(read(f"{path}[2:5]").array, SAMPLES[2:5])
    with pytest.raises(ReadError, match="is one array, so 'x' cannot be chosen"):
        read(f"{path}:x")
    group = tmp_path / "g.zarr"
    zarr.save_group(str(group), real=SAMPLES, fake=SAMPLES + 1)
    assert np.array_equal(read(f"{group}:fake").array, SAMPLES + 1)
    with pytest.raises(ReadError, match="must hold one array, has 2"):
        read(group)
    (path / "zarr.json").write_text("{}")
    with pytest.raises(ReadError, match="is damaged or no Zarr store"):
        read(path)


@pytest.mark.parametrize(("library", "name"), [("h5py", "s.h5"), ("zarr", "s.zarr")])
def test_stores_say_what_they_need(library, name, tmp_path, monkeypatch):
    path = tmp_path / name
    if library == "zarr":
        path.mkdir()
        (path / "zarr.json").write_text("{}")
    else:
        path.write_bytes(b"HDF")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ReadError, match=rf"needs {library} to be read; pip install 'divergences\[storage\]'"):
        read(path)


def test_lines_may_end_as_any_system_ends_them(tmp_path):
    for number, end in enumerate(("\n", "\r\n", "\r")):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(end.join(["a,b", "1,2", "3,4", ""]).encode())
        found = read(path)
        np.testing.assert_array_equal(found.array, [[1, 2], [3, 4]])
        assert found.names == ("a", "b")


def test_what_the_csv_module_refuses_is_one_line_about_the_file(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("a,b\n" + '"' + "x" * 200_000 + '",1\n')
    with pytest.raises(ReadError, match=r"long.csv: field larger than"):
        read(path)


def test_where_a_text_points_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd[1].npy").touch()
    for text, path in (("a.npy[0:5]", "a.npy"), ("a.npz:k[2:]", "a.npz"), ("t.csv:a,b", "t.csv"), ("x", "x"),
                       ("odd[1].npy", "odd[1].npy"), ("a.npy[zz]", "a.npy")):  # fmt: skip
        assert located(text) == Path(path), text
