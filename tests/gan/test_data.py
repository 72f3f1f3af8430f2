"""Data sets: definitions of the papers, known densities, files recognised and files refused."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from scipy.io import savemat

from gan import data
from gan.data import files


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Every test parses anew and leaves nothing behind."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "divergences"


def nearest(points, centres):
    distances = np.linalg.norm(points[:, None] - centres[None], axis=2)
    return distances.argmin(1), distances.min(1)


# ── known distributions ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("name", "count", "spread"), [("ring", 8, 0.01), ("grid", 25, 0.05)])
def test_modes_as_pacgan_defines_them(name, count, spread):
    found = data.load(name)
    modes = found.modes
    assert modes.centres.shape == (count, 2)
    apart = np.linalg.norm(modes.centres[:, None] - modes.centres, axis=2)[~np.eye(count, dtype=bool)]
    assert apart.min() > 0.7, "an endpoint counted twice lays two modes on one another"
    assert (len(found.train), modes.sigma, modes.radius) == (100_000, spread, 3)
    which, distance = nearest(found.train, modes.centres)
    # 2-d: P(r > 3σ) = exp(-4.5), so 98.9 % are of high quality
    assert (distance <= 3 * spread).mean() == pytest.approx(1 - np.exp(-4.5), abs=2e-3)
    shares = np.bincount(which, minlength=count) / len(which)
    assert abs(shares - 1 / count).max() < 5 * np.sqrt(1 / count / 1e5)


def test_the_ring_and_the_grid_lie_where_they_should():
    ring = data.load("ring").modes.centres
    np.testing.assert_allclose(np.linalg.norm(ring, axis=1), 1)
    np.testing.assert_allclose(ring[:3], [[1, 0], [0.5**0.5, 0.5**0.5], [0, 1]], atol=1e-12)
    grid = data.load("grid").modes.centres
    assert {tuple(row) for row in grid} == {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}


@pytest.mark.parametrize("text", ["gaussian(mean=1, scale=0.5)", "mixture"])
def test_densities_on_the_line_integrate_to_one_and_fit_the_samples(text):
    found = data.load(text)
    line = np.linspace(-8, 8, 4001)
    density = np.exp(found.log_density(line[:, None]))
    assert np.trapezoid(density, line) == pytest.approx(1, abs=1e-9)
    counts, edges = np.histogram(found.train, bins=40, range=(-4, 4), density=True)
    middle = np.exp(found.log_density(((edges[1:] + edges[:-1]) / 2)[:, None]))
    assert abs(counts - middle).max() < 0.03


def test_the_ring_density_matches_a_sum_of_normals():
    from scipy.stats import multivariate_normal

    found = data.load("ring")
    points = found.test[:20]
    by_hand = sum(multivariate_normal(c, 1e-4 * np.eye(2)).pdf(points) for c in found.modes.centres) / 8
    np.testing.assert_allclose(found.log_density(points), np.log(by_hand), rtol=1e-6)


def test_lines_lie_theta_apart():
    from divergences import wasserstein

    x, y = data.load("lines(n=200)").train, data.load("lines(theta=0.5, n=200)").train
    assert float(wasserstein(x, y)) == pytest.approx(0.5, abs=0.01)


def test_the_swiss_roll_winds_outwards():
    found = data.load("swiss-roll(noise=0.0, n=500)").train
    radius = np.linalg.norm(found, axis=1) * 4
    assert 1.5 * np.pi <= radius.min() < radius.max() <= 4.5 * np.pi
    np.testing.assert_allclose(
        found, np.stack([radius * np.cos(radius), radius * np.sin(radius)], 1) / 4, atol=1e-4
    )


def test_the_hidden_subspace():
    found = data.load("subspace(modes=3, inner=30, d=50, n=400)")
    assert found.d == 50
    assert np.linalg.matrix_rank(found.train.astype(float) - found.train.mean(0), tol=1e-2) == 30
    distance = nearest(found.train, found.modes.centres)[1]
    assert (distance <= found.modes.radius * found.modes.sigma).all(), "the truth itself is of high quality"
    middle = found.modes.centres.mean(0, keepdims=True)
    assert nearest(middle, found.modes.centres)[1] > found.modes.radius * found.modes.sigma


def test_parts_differ_and_repeat_by_the_seed():
    one, same, other = (data.load("ring(n=100)", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.train, same.train)
    assert not np.array_equal(one.train, other.train)
    assert not np.array_equal(one.train, one.validation[:100])
    assert not np.array_equal(one.validation, one.test)
    np.testing.assert_array_equal(one.validation, data.load("ring(n=50)", seed=1).validation)
    np.testing.assert_array_equal(data.load("ring(n=100, seed=2)", seed=1).train, other.train)
    assert one.train.dtype == np.float32


def test_digits_are_split_without_overlap():
    found = data.load("digits")
    assert [len(part) for part in (found.train, found.validation, found.test)] == [1197, 200, 400]
    assert found.image_shape == (8, 8)
    assert (found.train.min(), found.train.max()) == (0, 1)
    together = np.concatenate([found.train, found.validation, found.test])
    assert len(np.unique(together, axis=0)) == 1797
    assert len(found.labels["test"]) == 400


# ── files ───────────────────────────────────────────────────────────────────────────────────


def idx(path, array):
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_mnist_as_goodfellow_splits_it(shared_data, cache):
    found = data.load(f"mnist('{shared_data / 'mnist'}')")
    assert [part.shape for part in (found.train, found.validation, found.test)] == [
        (50_000, 784), (10_000, 784), (10_000, 784)
    ]  # fmt: skip
    assert found.image_shape == (28, 28)
    assert found.labels["train"][:5].tolist() == [5, 0, 4, 1, 9]
    both = np.concatenate([found.train, found.validation])
    assert both.mean(dtype=float) * 255 == pytest.approx(33.3184, abs=1e-3)
    assert [file.suffix for file in cache.iterdir()] == [".npz"]


def test_fashion_is_told_from_mnist(shared_data, tmp_path):
    assert data.load(f"fashion('{shared_data / 'fashion'}')").labels["train"][:5].tolist() == [9, 0, 0, 3, 0]
    with pytest.raises(ValueError, match="MNIST's training pixels have mean 33.3184, these 72.94"):
        data.load(f"mnist('{shared_data / 'fashion'}')")


def test_stacked_mnist_has_a_digit_in_each_channel(shared_data):
    found = data.load(f"stacked_mnist('{shared_data / 'mnist'}', n=300)")
    assert found.train.shape == (300, 28 * 28 * 3)
    assert found.image_shape == (28, 28, 3)
    base = data.load(f"mnist('{shared_data / 'mnist'}')")
    first = found.train[0].reshape(784, 3)
    label = int(found.labels["train"][0])
    for channel, digit in enumerate((label // 100, label // 10 % 10, label % 10)):
        rows = np.flatnonzero((base.train == first[:, channel]).all(1))
        assert base.labels["train"][rows[0]] == digit
    assert len(np.unique(found.labels["train"])) > 200


def test_cifar_from_the_subset(shared_data):
    subset = shared_data / "cifar10" / "cifar10_lossless_subset4000.npz"
    found = data.load(f"cifar10('{subset}')")
    assert (found.train.shape, found.image_shape) == ((3200, 3072), (32, 32, 3))


def test_cifar_from_its_binary_version(tmp_path, rng, monkeypatch):
    assert files.RECORDS == 10_000
    monkeypatch.setattr(files, "RECORDS", 20)  # the real files take seconds and most of a gigabyte
    records = rng.integers(0, 256, size=(20, 3073), dtype=np.uint8)
    for name in [f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]:
        records.tofile(tmp_path / name)
    found = data.load(f"cifar10('{tmp_path}')")
    assert [len(part) for part in (found.train, found.validation, found.test)] == [90, 10, 20]
    # the file holds all red pixels, then green, then blue; here a pixel's three stand together
    np.testing.assert_allclose(
        found.train[0].reshape(1024, 3), records[0, 1:].reshape(3, 1024).T / 255, rtol=1e-6
    )
    assert found.labels["train"][0] == records[0, 0]
    (tmp_path / "data_batch_2.bin").write_bytes(b"short")
    with pytest.raises(ValueError, match="must hold 20 records of 3,073 bytes"):
        data.load(f"cifar10('{tmp_path}')")
    (tmp_path / "data_batch_1").write_bytes(b"")
    with pytest.raises(ValueError, match="is pickled and so never loaded"):
        data.load(f"cifar10('{tmp_path}')")


def test_tfd_by_folds(tmp_path, rng):
    images = rng.integers(0, 256, size=(60, 48, 48), dtype=np.uint8)
    folds = np.tile(np.repeat([0, 1, 2, 3], 15)[:, None], (1, 5)).astype(np.uint8)
    folds[:, 1] = folds[::-1, 1]
    savemat(tmp_path / "TFD_48x48.mat", {"images": images, "folds": folds, "labs_ex": np.arange(60)})
    found = data.load(f"tfd('{tmp_path}')")
    assert [len(part) for part in (found.train, found.validation, found.test)] == [30, 15, 15]
    np.testing.assert_allclose(found.test[0].reshape(48, 48), images[45] / 255, rtol=1e-6)
    assert found.image_shape == (48, 48)
    np.testing.assert_allclose(
        data.load(f"tfd('{tmp_path}', fold=1)").test[0], images[0].ravel() / 255, rtol=1e-6
    )
    with pytest.raises(ValueError, match="fold must be 0, 1, 2, 3 or 4; got 7"):
        data.load(f"tfd('{tmp_path}', fold=7)")
    savemat(tmp_path / "TFD_48x48.mat", {"images": images[:, :40], "folds": folds, "labs_ex": np.arange(60)})
    with pytest.raises(ValueError, match="images must be .n, 48, 48. bytes, are .60, 40, 48."):
        data.load(f"tfd('{tmp_path}')")


def test_olivetti_faces_stand_upright(tmp_path, rng):
    faces = rng.integers(0, 256, size=(400, 64, 64), dtype=np.uint8)
    savemat(tmp_path / "olivettifaces.mat", {"faces": faces.transpose(0, 2, 1).reshape(400, -1).T})
    found = data.load(f"olivetti('{tmp_path}')")
    assert [len(part) for part in (found.train, found.validation, found.test)] == [320, 40, 40]
    known = {face.tobytes() for face in faces}
    assert np.round(found.train[0] * 255).astype(np.uint8).reshape(64, 64).tobytes() in known
    with pytest.raises(ValueError, match="TFD needs TFD_48x48.mat in it"):
        data.load(f"tfd('{tmp_path}')")


def test_idx_files_of_other_counts_are_refused(tmp_path):
    for part, count in (("train", 60), ("t10k", 10)):
        idx(tmp_path / f"{part}-images-idx3-ubyte", np.zeros((count, 28, 28)))
        idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", np.zeros(count))
    with pytest.raises(ValueError, match="MNIST has shape .60000, 28, 28. there, this file .60, 28, 28."):
        data.load(f"mnist('{tmp_path}')")
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(ValueError, match="needs t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz in it"):
        data.load(f"mnist('{tmp_path}')")


def test_any_array_and_any_folder_of_images(tmp_path, rng, cache):
    from PIL import Image

    rows = rng.normal(size=(50, 3)).astype(np.float32)
    np.save(tmp_path / "mine.npy", rows)
    for text in (str(tmp_path / "mine.npy"), f"array('{tmp_path / 'mine.npy'}')"):
        found = data.load(text)
        assert [len(part) for part in (found.train, found.validation, found.test)] == [40, 5, 5]
        together = np.concatenate([found.train, found.validation, found.test])
        np.testing.assert_array_equal(np.unique(together, axis=0), np.unique(rows, axis=0))
    folder = tmp_path / "pictures"
    folder.mkdir()
    for k in range(12):
        Image.fromarray(rng.integers(0, 256, size=(8, 10, 3), dtype=np.uint8)).save(folder / f"{k}.png")
    found = data.load(str(folder))
    assert (found.image_shape, found.train.shape) == ((8, 10, 3), (10, 240))
    assert found.name == "pictures"


def test_what_was_parsed_is_kept_until_the_files_change(tmp_path, cache):
    file = tmp_path / "source"
    file.write_bytes(b"one")
    made = []

    def make():
        made.append(1)
        return {"a": np.arange(3)}

    for _ in range(2):
        assert files._cached("x", [file], make)["a"].tolist() == [0, 1, 2]
    assert len(made) == 1
    (kept,) = cache.iterdir()
    kept.write_bytes(b"damaged")
    files._cached("x", [file], make)
    assert len(made) == 2, "a damaged cache is made anew"
    file.write_bytes(b"another")
    files._cached("x", [file], make)
    assert len(made) == 3


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    (tmp_path / "blocked").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "blocked"))
    assert files._cached("x", [], lambda: {"a": np.arange(2)})["a"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rings", "unknown data set 'rings'; did you mean 'ring'?"),
        ("ring(sigam=1)", "ring has no option 'sigam'; did you mean 'sigma'?"),
        ("ring(n=1)", "n must be a number of training samples"),
        ("mnist", "write mnist('path/to/its/folder')"),
        ("mnist('nowhere')", "nowhere: no such file or folder"),
        ("nowhere/at/all.npy", "no such file or folder"),
    ],
)
def test_what_cannot_be_loaded_is_refused(text, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the message follows
        data.load(text)
    assert message in str(caught.value)


def test_arrays_with_nan_or_too_few_rows_are_refused(tmp_path):
    np.save(tmp_path / "few.npy", np.zeros((5, 2)))
    with pytest.raises(ValueError, match="at least 10 samples are needed"):
        data.load(str(tmp_path / "few.npy"))
    np.save(tmp_path / "nan.npy", np.full((20, 2), np.nan))
    with pytest.raises(ValueError, match="holds NaN or infinite values"):
        data.load(str(tmp_path / "nan.npy"))
    np.save(tmp_path / "signed.npy", np.linspace(-1, 1, 20 * 64, dtype=np.float32).reshape(20, 8, 8))
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], these in \[-1, 1\]"):
        data.load(str(tmp_path / "signed.npy"))


# ── what is read of them ────────────────────────────────────────────────────────────────────


def test_rows_and_choices_are_cut_as_the_readers_cut_them(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    monkeypatch.chdir(tmp_path)
    rows = np.arange(200, dtype=np.float32).reshape(100, 2)
    np.save("p.npy", rows)
    np.savez("two.npz", a=rows, b=-rows)
    with h5py.File("h.h5", "w") as file:
        file["a"], file["b"] = rows, -rows
    for text, largest in (("p.npy[0:50]", 99), ("./p.npy[:20]", 39), ("two.npz:b", 0), ("h.h5:a", 199),
                          ("h.h5:b[0:10]", 0)):  # fmt: skip
        found = data.load(text)
        assert max(part.max() for part in (found.train, found.validation, found.test)) == largest, text
    with pytest.raises(ValueError, match=r"missing.npy.*no such file"):
        data.load("missing.npy[0:5]")


def test_the_cache_knows_which_array_of_a_store_and_whether_it_changed(tmp_path, monkeypatch):
    zarr = pytest.importorskip("zarr")
    monkeypatch.chdir(tmp_path)
    group = zarr.open_group("s.zarr", mode="w")
    for name, value in (("a", 0.0), ("b", 1.0)):
        made = group.create_array(name, shape=(40, 2), dtype="f4", chunks=(10, 2))
        made[:] = value
    assert data.load("s.zarr:a").train.max() == 0.0
    assert data.load("s.zarr:b").train.min() == 1.0
    group["b"][:] = 7.0
    assert data.load("s.zarr:b").train.min() == 7.0


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((20, 32, 32, 3), 200.0, np.float32), r"must lie in \[0, 1\]"),
        (np.full((20, 32, 32, 3), np.nan, np.float32), "holds NaN"),
        (np.zeros((8, 32, 32, 3), np.uint8), "at least 10 samples"),
    ],
)
def test_cifar_images_of_your_own_are_checked_as_any_are(tmp_path, images, message):
    np.save(tmp_path / "images.npy", images)
    with pytest.raises(ValueError, match=message):
        data.load(f"cifar10('{tmp_path / 'images.npy'}')")


def test_differences_that_float32_does_not_have_are_no_data(tmp_path):
    rows = np.random.default_rng(0).normal(size=(100, 2))
    np.save(tmp_path / "far.npy", rows + np.array([0.0, 1e8]))
    with pytest.raises(ValueError, match="feature 1, small beside their size; subtract its mean"):
        data.load(str(tmp_path / "far.npy"))
    np.save(tmp_path / "near.npy", rows + 1e3)
    assert data.load(str(tmp_path / "near.npy")).d == 2
    constant = np.full((100, 1), 0.1) + 1e-17 * rows[:, :1]
    assert data.Dataset("constant", constant, constant, constant).train.dtype == np.float32


@pytest.mark.parametrize(
    ("rows", "shape", "message"),
    [
        (np.zeros(5, np.float32), None, r"must be \(n, d\).*take rows\[:, None\]"),
        (np.zeros((0, 2), np.float32), None, "at least one row"),
        (np.zeros((5, 3), np.float32), None, "must have the 2 features of train, has 3"),
        (np.full((5, 2), np.nan, np.float32), None, "holds NaN"),
        (np.zeros((5, 2), np.uint8), (1, 2), "divide the bytes of test by 255"),
        (np.array([["a", "b"]]), None, "must be numbers"),
    ],
)
def test_a_data_set_of_your_own_is_checked(rows, shape, message):
    good = np.zeros((5, 2), np.float32)
    with pytest.raises(ValueError, match=message):
        data.Dataset("mine", good, good, rows, image_shape=shape)
    made = data.Dataset("mine", good, good.astype(np.float64), good)
    assert made.validation.dtype == np.float32
