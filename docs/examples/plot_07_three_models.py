"""
Comparing three models
======================

Three models of the digit 3, judged by the same held-out images. :func:`~divergences.compare_models` gives
the differences, their joint intervals, and ranks in which models that cannot be told apart share a place.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

import divergences as dv

images, labels = load_digits(return_X_y=True)
threes = images[labels == 3] / 16
train, held_out = threes[:90], threes[90:]

rng = np.random.default_rng(0)
code = PCA(12, random_state=0).fit(train)
mixture = GaussianMixture(4, random_state=0, reg_covar=1e-2).fit(code.transform(train))
models = {
    "mixture": code.inverse_transform(mixture.sample(300)[0]),
    "one Gaussian": rng.multivariate_normal(train.mean(0), np.cov(train.T), size=300),
    "mean + noise": train.mean(0) + rng.normal(scale=train.std(), size=(300, 64)),
}
found = dv.compare_models("energy", held_out, models, rng=0)
print(found)

# %%

figure, axis = plt.subplots(figsize=(5.6, 2.2))
for k, each in enumerate(found.differences):
    axis.plot([each.interval.lower, each.interval.upper], [k, k], color="C0", linewidth=2)
    axis.plot(each.value, k, "o", color="C0")
names = [f"{each.first} − {each.second}" for each in found.differences]
axis.axvline(0, color="0.3", linewidth=1, linestyle=":")
axis.set(
    yticks=range(len(names)), yticklabels=names, xlabel="difference in energy distance", ylim=(-0.6, 2.6)
)
plt.show()

# %%
# An interval that holds 0 means: with these rows, no verdict. The intervals hold together, for all pairs at
# once.
