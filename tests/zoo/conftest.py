"""A judge of drawn faces: a small convolutional classifier trained on other, uncorrelated images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from latentlab.data import load_data

# Not the seed of any recipe: the judge has to see other images.
SEED = 101
NAMES = ("smile", "glasses")


@dataclass(frozen=True)
class Judge:
    """Reads smile and glasses from pictures; `accuracy` is on images that it was not trained on."""

    network: nn.Module
    accuracy: dict[str, float]

    def logits(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """How sure the judge is that images of shape (n, 3, 64, 64) in [0, 1] show each attribute, of shape (n,)."""
        with torch.inference_mode():
            logits = torch.cat([self.network(torch.from_numpy(part)) for part in np.array_split(images, 8)])
        return {name: logits[:, i].numpy() for i, name in enumerate(NAMES)}

    def read(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Whether each image shows each attribute: booleans of shape (n,)."""
        return {name: logits > 0 for name, logits in self.logits(images).items()}


def train_judge(count: int = 5_000, epochs: int = 4) -> Judge:
    """Train a judge; the same one every time on the same machine."""
    data = load_data("faces", split="train", count=count, seed=SEED)
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in ((3, 12), (12, 24), (24, 48), (48, 48)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(48 * 16, len(NAMES)))
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    x = torch.from_numpy(data.images)
    y = torch.from_numpy(np.stack([data.attributes[name] for name in NAMES], axis=1))
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            # Blurred and noisy copies too: a decoder's pictures are softer than drawn ones.
            soft = nn.functional.avg_pool2d(x[rows], 3, stride=1, padding=1, count_include_pad=False)
            batch = torch.cat([x[rows], soft])
            loss = nn.functional.binary_cross_entropy_with_logits(network(batch), torch.cat([y[rows], y[rows]]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    judge = Judge(network.eval(), {})
    unseen = load_data("faces", split="test", count=1_000, seed=SEED)
    found = judge.read(unseen.images)
    accuracy = {name: float((found[name] == (unseen.attributes[name] == 1)).mean()) for name in NAMES}
    return Judge(judge.network, accuracy)


@pytest.fixture(scope="session")
def judge() -> Judge:
    """The judge, trained once."""
    return train_judge()
