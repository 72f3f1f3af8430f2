r"""
The vanishing gradient
======================

Hold a generator and train its discriminator on: the better D knows what is fake, the less :math:`\log(1 -
D)` tells the generator. :math:`-\log D` keeps a gradient, with a growing spread between batches (Arjovsky &
Bottou 2017).
"""

import matplotlib.pyplot as plt

import gan
from gan.data import load
from gan.diagnostics import generator_gradients

data = load("digits")
recipe = gan.RECIPES["digits"].but(iterations=40)
model = gan.train(recipe, dataset=data, measure=None, progress=False)
found = generator_gradients(model, data, steps=200, batch=128, progress=False)
print(found)

# %%

figure, axis = plt.subplots()
for norms, spread, name, color in [
    (found.saturating, found.saturating_spread, "log(1 − D)", "C1"),
    (found.non_saturating, found.non_saturating_spread, "−log D", "C0"),
]:
    axis.fill_between(
        found.steps, norms - 0.99 * spread.clip(max=norms), norms + spread, alpha=0.2, color=color
    )
    axis.plot(found.steps, norms, color=color, label=name)
axis.set(yscale="log", xlabel="steps of the discriminator, the generator held", ylabel="norm of the gradient")
axis.legend()
plt.show()
