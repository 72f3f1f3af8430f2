"""
Samples that stay on file
=========================

A memory-mapped file goes in like an array and is read block by block where it is large: here a feature file
of a million numbers, under a memory allowance far smaller than the file.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import sklearn

import divergences as dv

rng = np.random.default_rng(0)
file = Path(tempfile.mkdtemp()) / "features.npy"
np.save(file, rng.normal(size=(62_500, 16)).astype(np.float32))
features = np.load(file, mmap_mode="r")
model = rng.normal(0.05, 1.02, size=(5_000, 16)).astype(np.float32)

with sklearn.config_context(working_memory=1):  # MiB; the file is 4, in float64 8
    streamed = float(dv.frechet(features, model))
print(f"streamed {streamed:.9f}, loaded {float(dv.frechet(np.asarray(features), model)):.9f}")

# %%
# Fits of parts merge: each machine fits what it has. The Fréchet distance settles as rows come in, from
# above: its bias falls like 1/n, which is why values at different n must never be compared.

rows, values = [], []
with sklearn.config_context(working_memory=1):
    target = dv.gaussian.fit(model, ddof=1)
    mean, cov = dv.gaussian.fit(features[:250], ddof=1)
    for start, stop in zip(
        [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000],
        [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 62_500],
        strict=True,
    ):
        rows.append(start)
        values.append(float(dv.gaussian.frechet(mean, cov, *target)))
        part = dv.gaussian.fit(features[start:stop], ddof=1)
        mean, cov = dv.gaussian.merge(mean, cov, *part, x_weight=start, y_weight=stop - start, ddof=1)

figure, axis = plt.subplots()
axis.plot([*rows, 62_500], [*values, float(dv.gaussian.frechet(mean, cov, *target))], "o-")
axis.axhline(streamed, color="0.3", linestyle=":", label="all rows at once")
axis.set(xscale="log", xlabel="rows merged so far", ylabel="Fréchet distance")
axis.legend()
plt.show()

# %%
# :doc:`/large` has the table of what streams, with measured memory.
file.unlink()
