"""`fashion-mnist`: 70,000 pieces of clothing of 28×28 grey pixels, in torchvision's layout.

References:
    H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms.
    2017. arXiv:1708.07747
"""

from __future__ import annotations

from latentlab.data.dataset import Dataset, Request
from latentlab.data.mnist import read_idx

CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


def read(request: Request) -> Dataset:
    """Read Fashion-MNIST: light clothes on a dark ground, with the splits of `mnist`."""
    return read_idx(request, "fashion-mnist", "FashionMNIST", CLASSES)
