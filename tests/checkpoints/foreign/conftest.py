from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

CLOSE = {"rtol": 0.0, "atol": 1e-5}


def randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights, and the averages of normalisations, as training might leave them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if not tensor.is_floating_point():
                tensor.fill_(7)
            elif name.endswith("running_var"):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            else:
                tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))
    return module.eval()


@pytest.fixture
def trained() -> Callable[..., nn.Module]:
    return randomise


@pytest.fixture
def agree() -> Callable[[nn.Module, Tensor, Callable[[Tensor], tuple[Tensor, Tensor | None]], Callable], None]:
    """Checks that our model encodes and decodes as theirs does."""

    @torch.no_grad()
    def check(ours: nn.Module, x: Tensor, encode: Callable, decode: Callable) -> None:
        mean, logvar = encode(x)
        scale = max(1.0, float(mean.abs().max()))
        torch.testing.assert_close(ours.encode(x) / scale, mean.flatten(1) / scale, **CLOSE)
        if logvar is not None:
            posterior = ours.posterior(x)
            scale = max(1.0, float(logvar.abs().max()))
            expected = logvar.clamp(-30, 20)
            torch.testing.assert_close(posterior.logvar / scale, expected.flatten(1) / scale, **CLOSE)
        z = torch.randn(len(x), *ours.config.latent, generator=torch.Generator().manual_seed(3))
        torch.testing.assert_close(ours.decode(z.flatten(1)), decode(z).reshape(x.shape), **CLOSE)

    return check


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Writes what torch.save makes of a value."""

    def save(value: object, name: str = "model.pt", **options: object) -> Path:
        torch.save(value, tmp_path / name, **options)
        return tmp_path / name

    return save
