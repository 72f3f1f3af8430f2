"""
The Parzen log-likelihood, and its trap
=======================================

Put a Gaussian window on each generated sample and ask how likely held-out data are: for years *the* score
of generative models. It rewards lying near test data, not being like them (Theis, van den Oord & Bethge
2016).
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

import divergences as dv

images = load_digits().data[np.random.default_rng(0).permutation(1797)] / 16
train, validation, test = images[:1000], images[1000:1300], images[1300:]

centroids = KMeans(200, n_init=1, random_state=0).fit(train).cluster_centers_
candidates = {
    "200 training images": train[:200],
    "200 k-means centroids": centroids,
    "1000 images + noise": train + np.random.default_rng(1).normal(scale=0.2, size=train.shape),
}

figure, axis = plt.subplots()
for name, samples in candidates.items():
    window = dv.Parzen.fit(samples, validation=validation)
    score = window.score(test)
    print(f"{name:24s} {score.value:7.2f} ± {score.standard_error:.2f} nats, σ = {window.bandwidth:.3f}")
    axis.plot(*window.curve, label=name)
    axis.plot(window.bandwidth, max(window.curve[1]), "o", color=axis.lines[-1].get_color())
axis.set(xscale="log", xlim=(0.08, 0.8), ylim=(-20, 30), xlabel="bandwidth σ", ylabel="validation nats")
axis.legend()
plt.show()

# %%
# The best score goes to 200 blurry averages, though no average looks like a digit somebody wrote. A distance
# has two sides and is not fooled:

for name, samples in candidates.items():
    print(f"{name:24s} energy {float(dv.energy(test, samples)):.4f}")

# %%
# So print the controls beside the score, as ``gan evaluate`` does.
