from __future__ import annotations

import numpy as np
import pytest

from latentlab.evaluation.likelihood import kind_of_nats


@pytest.mark.parametrize(
    ("likelihood", "pixels", "kind"),
    [
        ("bernoulli", np.array([0, 255], np.uint8), "probability"),
        ("bernoulli", np.array([0, 1], np.float32), "probability"),
        ("bernoulli", np.array([0, 1], np.uint8), "pseudo"),
        ("bernoulli", np.array([0, 0.5, 1], np.float32), "pseudo"),
        ("gaussian", np.array([0, 255], np.uint8), "density"),
        ("continuous-bernoulli", np.array([0.5], np.float32), "density"),
    ],
)
def test_what_the_nats_are_of(likelihood: str, pixels: np.ndarray, kind: str):
    assert kind_of_nats(likelihood, pixels) == kind
