from __future__ import annotations

import torch

from latentlab.distributions.point import Point


def test_all_probability_is_on_the_point():
    point = Point(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert torch.equal(point.sample(torch.Generator()), point.mean)
    assert point.log_prob(torch.tensor([[1.0, 2.0], [3.0, 5.0]])).tolist() == [0.0, -torch.inf]
    assert point.logvar is None
