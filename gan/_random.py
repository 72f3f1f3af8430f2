"""Randomness that needs no state: every iteration's is a function of (seed, process, iteration).

A run that goes on from a checkpoint therefore draws what an unbroken one would have drawn, and reading
random numbers in between, for a measurement, changes nothing that follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["Batches", "mixed", "reseed", "seeded"]

MASK = 2**64 - 1


def mixed(*numbers: int) -> int:
    """One 32-bit seed from several numbers (splitmix64's finisher over their running sum)."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        state ^= state >> 31
    return state & 0xFFFFFFFF  # the processor's generator reads no more than 32 bits


def reseed(device: torch.device, *numbers: int) -> None:
    """Set the generator that ``device`` draws from, dropout included; torch.manual_seed takes 100 µs more."""
    seed = mixed(*numbers)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    elif device.type != "cpu":
        torch.manual_seed(seed)


@contextmanager
def seeded(device: torch.device, *numbers: int) -> Iterator[None]:
    """Inside, ``device`` draws from these numbers; outside, the caller's generators go on as they were."""
    before = torch.get_rng_state()
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    try:
        reseed(device, *numbers)
        yield
    finally:
        torch.set_rng_state(before)
        if on_device is not None:
            torch.cuda.set_rng_state(on_device, device)


class Batches:
    """The ``number``-th batch of shuffled epochs, by index from rows that lie on the device.

    Each epoch is a fresh permutation; what does not fill a batch is left out. Several processes take
    their shares of one batch.
    """

    def __init__(
        self, rows: Tensor, batch: int, seed: int, *, rank: int = 0, world: int = 1, packing: int = 1
    ) -> None:  # fmt: skip
        if batch > len(rows):
            raise ValueError(
                f"batch must be at most the {len(rows)} training samples, got {batch}; take a smaller batch"
            )
        if batch % (world * packing):
            times = f" times packing {packing}" if packing > 1 else ""
            raise ValueError(f"batch must be a multiple of the {world} processes{times}, got {batch}")
        self.rows, self.batch, self.seed = rows, batch, seed
        self.share = slice(rank * batch // world, (rank + 1) * batch // world)
        self.per_epoch = len(rows) // batch
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.long)

    def __call__(self, number: int) -> Tensor:
        epoch, place = divmod(number, self.per_epoch)
        if epoch != self._epoch:
            shuffle = torch.Generator().manual_seed(mixed(self.seed, 1, epoch))
            self._order = torch.randperm(len(self.rows), generator=shuffle).to(self.rows.device)
            self._epoch = epoch
        start = place * self.batch
        chosen = self._order[start + self.share.start : start + self.share.stop]
        return self.rows.index_select(0, chosen)
