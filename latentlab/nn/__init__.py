"""Network building blocks. Each network is a configuration that builds an encoder and its decoder."""

from latentlab.nn.conv import Conv
from latentlab.nn.mlp import MLP
from latentlab.nn.residual import Residual

Network = MLP | Conv | Residual

NETWORKS = {"mlp": MLP, "conv": Conv, "residual": Residual}

__all__ = ["MLP", "NETWORKS", "Conv", "Network", "Residual"]
