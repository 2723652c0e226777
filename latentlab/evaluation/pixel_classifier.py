"""A judge that no model has anything to do with: a small classifier of pixels, which says how sure it is."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.data.dataset import as_unit
from latentlab.errors import DataError

HIDDEN = 128
BATCH = 128
# Steps of training, whatever the number of images: some seconds at 28×28 pixels.
STEPS = 800
# The share of the images that the temperature is fitted on, and the smallest number of them.
HELD_OUT, FEWEST = 0.2, 10
# log p of a class that the network rules out.
LEAST = 1e-12
# Temperatures from 1/20 to 20.
HOTTEST = 3.0


@dataclass(frozen=True)
class PixelClassifier:
    """p(class | pixels): a perceptron with one hidden layer, whose confidence is calibrated on images it has not seen.

    Args:
        network: scikit-learn's.
        temperature: T in softmax(log p / T); above 1 the network alone was too sure.
    """

    network: Any
    temperature: float

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Calibrated probabilities of shape (n, classes) of images of shape (n, c, h, w)."""
        flat = as_unit(images).reshape(len(images), -1)
        return _softened(self.network.predict_proba(flat), self.temperature)

    def classes(self, images: np.ndarray) -> np.ndarray:
        """The most probable class number of each image, of shape (n,)."""
        return self.network.classes_[self.probabilities(images).argmax(axis=1)]

    def confidence(self, images: np.ndarray) -> np.ndarray:
        """max_k p(k | image), of shape (n,): near 1 where the image looks like one class, whichever."""
        return self.probabilities(images).max(axis=1)


def fit_pixel_classifier(pixels: np.ndarray, labels: np.ndarray, seed: int = 0) -> PixelClassifier:
    """Fit the classifier to real images; the same seed gives the same one.

    A fifth of the images is held out to fit the temperature: the one under which their labels are most likely.

    Args:
        pixels: of shape (n, c, h, w), uint8 or float in [0, 1].
        labels: class numbers of shape (n,), none of them unknown.
        seed: of the weights, the order of the images, and which are held out.

    Raises:
        DataError: when there are fewer than 2 classes, or too few images to hold some out.

    References:
        C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599.
    """
    from scipy.optimize import minimize_scalar
    from sklearn.neural_network import MLPClassifier

    held = round(HELD_OUT * len(labels))
    if len(np.unique(labels)) < 2 or held < FEWEST:
        raise DataError(
            f"expected at least {round(FEWEST / HELD_OUT)} labelled images of 2 classes or more to fit a classifier, "
            f"got {len(labels)} of {len(np.unique(labels))}"
        )
    flat = as_unit(pixels).reshape(len(pixels), -1)
    order = np.random.default_rng([seed, len(labels)]).permutation(len(labels))
    # Every class has to be learned: the first image of each goes to the training part.
    first = np.isin(np.arange(len(order)), np.unique(labels[order], return_index=True)[1])
    order = np.concatenate([order[~first], order[first]])
    judge, train = order[:held], order[held:]
    epochs = max(1, round(STEPS / math.ceil(len(train) / BATCH)))
    network = MLPClassifier(
        (HIDDEN,), alpha=1e-3, batch_size=min(BATCH, len(train)), learning_rate_init=2e-3, max_iter=epochs, tol=0.0,
        n_iter_no_change=epochs, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.fit(flat[train], labels[train])
    columns = np.searchsorted(network.classes_, labels[judge])
    plain = network.predict_proba(flat[judge])

    def loss(log_temperature: float) -> float:
        softened = _softened(plain, float(np.exp(log_temperature)))
        return -float(np.log(np.maximum(softened[np.arange(held), columns], LEAST)).mean())

    found = minimize_scalar(loss, bounds=(-HOTTEST, HOTTEST), method="bounded")
    return PixelClassifier(network, float(np.exp(found.x)))


def _softened(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log p / T) by rows."""
    powers = np.log(np.maximum(probabilities.astype(np.float64), LEAST)) / temperature
    powers = np.exp(powers - powers.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
