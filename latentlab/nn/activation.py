"""Activation functions by the names that recipes use."""

from __future__ import annotations

from typing import Literal

from torch import nn

ActivationName = Literal["relu", "leaky-relu", "silu", "gelu", "elu", "tanh", "sigmoid"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def build_activation(name: str) -> nn.Module:
    """A new activation layer of the given name."""
    return ACTIVATIONS[name]()
