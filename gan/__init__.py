"""Train generative models with the measures of ``divergences`` as objectives, and judge them with the same.

To come: objectives (each names the divergence it descends), regularizers, networks, data, one
training loop, diagnostics and evaluation.
"""

__all__: list[str] = []
