"""Decoders of every operation that a page can run, small, with weights as training leaves them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentlab.codec import Block, ConditionSpec, ImageSpec, LatentSpec
from latentlab.distributions import ContinuousBernoulli

LATENT = 12
CLASSES = ConditionSpec(("0", "1", "2", "3", "4"))
ATTRIBUTES = ConditionSpec(("smile", "hat", "glasses"), "attributes")
FAMILY = SimpleNamespace(family="drawn")


class Decoder(nn.Module):
    """A codec with nothing but a decoder: `body` is given the parts, the latent and the condition."""

    def __init__(
        self, body: Callable[..., Tensor], condition: ConditionSpec | None, sizes: tuple[int, ...], **parts: object
    ) -> None:
        super().__init__()
        self.config = FAMILY
        self.condition = condition
        self.latent = LatentSpec(tuple(Block(f"z{i}", (size,)) for i, size in enumerate(sizes)))
        self.body = body
        for name, part in parts.items():
            setattr(self, name, nn.Parameter(part) if isinstance(part, Tensor) else part)
        self.image = ImageSpec(1, 1, 1)
        with torch.no_grad():
            self.image = ImageSpec(*self.eval().decode(*self.inputs(2)).shape[1:])

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.body(self, z) if self.condition is None else self.body(self, z, condition)

    def inputs(self, rows: int) -> tuple[Tensor, ...]:
        """Latents, and conditions where the decoder has them."""
        generator = torch.Generator().manual_seed(3)
        z = torch.randn(rows, self.latent.size, generator=generator)
        if self.condition is None:
            return (z,)
        size = len(self.condition.names)
        if self.condition.kind == "class":
            return z, torch.arange(rows) % size
        return z, torch.randn(rows, size, generator=generator)


@dataclass(frozen=True)
class Case:
    """One decoder; `ops` are the operations that its program must have, `without` those that it may not."""

    body: Callable[..., Tensor]
    parts: Callable[[], dict[str, object]] = dict
    ops: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    condition: ConditionSpec | None = None
    sizes: tuple[int, ...] = (LATENT,)

    def build(self) -> Decoder:
        decoder = Decoder(self.body, self.condition, self.sizes, **copy.deepcopy(self.parts()))
        torch.manual_seed(0)
        for module in decoder.modules():
            getattr(module, "reset_parameters", lambda: None)()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, tensor in decoder.state_dict().items():
                if tensor.is_floating_point():
                    noise = torch.randn(tensor.shape, generator=generator)
                    tensor.copy_(0.3 + noise.abs() if name.endswith("running_var") else tensor + 0.2 * noise)
        return decoder.eval()


def grid(z: Tensor, channels: int = 3, height: int = 2, width: int = 2) -> Tensor:
    return z.view(-1, channels, height, width)


def picture(x: Tensor) -> Tensor:
    """The first channel, in [0, 1]."""
    return torch.sigmoid(x[:, :1])


def layers(*parts: nn.Module) -> Callable[[], dict[str, object]]:
    return lambda: {"f": nn.Sequential(*parts)}


def through(d: Decoder, z: Tensor) -> Tensor:
    return picture(d.f(grid(z)))


def through_rows(d: Decoder, z: Tensor) -> Tensor:
    return torch.sigmoid(d.f(z.view(-1, 3, 4)))[:, None]


def flat(d: Decoder, z: Tensor) -> Tensor:
    return torch.sigmoid(d.f(z).view(len(z), 1, 2, -1))


def residual(d: Decoder, z: Tensor) -> Tensor:
    x = grid(z)
    return picture(x + d.f(x) + d.f(x + 1))


def residual_in_place(d: Decoder, z: Tensor) -> Tensor:
    # The activation in place changes the x that is added afterwards.
    x = d.g(grid(z))
    return picture(x + d.f(F.relu_(x)))


def hierarchy(d: Decoder, z: Tensor) -> Tensor:
    parts = d.latent.unflatten(z)
    top, low = d.f(parts["z0"]), d.g(parts["z1"])
    return picture(grid(torch.cat([top, low * top[:, :1]], dim=1), 4, 2, 2))


def halves(d: Decoder, z: Tensor) -> Tensor:
    a, b = grid(z, 4, 1, 3).chunk(2, dim=1)
    c, _, e = grid(z, 2, 2, 3).split([1, 3 - 2, 1], dim=3)
    return torch.sigmoid(
        (a * b.tanh())[:, :1, :, 1:] + c[:, 1, 1][:, None, None] - e[:, :1, 0:1, :] + z[:, -3, None, None, None]
    )


def by_attributes(d: Decoder, z: Tensor, y: Tensor) -> Tensor:
    x = grid(z)
    told = y[:, :, None, None].expand(-1, -1, *x.shape[2:])
    return picture(d.f(torch.cat([x, told], dim=1)))


def by_film(d: Decoder, z: Tensor, y: Tensor) -> Tensor:
    gain, offset = d.e(y)[:, :, None, None].chunk(2, dim=1)
    return picture(d.f(grid(z) * (1 + gain) + offset))


def by_row_and_column(d: Decoder, z: Tensor) -> Tensor:
    rows, columns = z[:, :4].view(-1, 1, 4, 1), z[:, 4:10].view(-1, 2, 1, 3)
    product = (columns * rows).expand(-1, -1, 4, 3)
    return picture(rows - columns + product - z[:, :3].view(-1, 1, 1, 3).repeat(1, 2, 4, 1))


def middle_axis(d: Decoder, z: Tensor) -> Tensor:
    return torch.sigmoid(d.f(z.view(-1, 2, 1, 6).expand(-1, -1, 4, -1) + z.view(-1, 2, 1, 6).repeat(1, 1, 4, 1)))


def broadcast_grid(d: Decoder, z: Tensor) -> Tensor:
    # Watters et al. 2019: the latent at every place, with the place.
    at = torch.linspace(-1, 1, 4)
    places = torch.stack([at.view(1, 4).expand(4, 4), at.view(4, 1).expand(4, 4)])
    x = torch.cat([z[:, :, None, None].expand(-1, -1, 4, 4), places.expand(len(z), -1, -1, -1)], dim=1)
    return picture(d.f(x))


def arithmetic(d: Decoder, z: Tensor) -> Tensor:
    x = grid(z, 1, 3, 4)
    x = (1 - x) / 2 + 2 * x - 3 / (x.abs() + 2) - (x - 0.5) / (1 + x**2) + 0.1 * x**3 - torch.add(x, x, alpha=0.25)
    return torch.clamp(torch.sigmoid(-x), 0.1, 0.9)


def learned_scales(d: Decoder, z: Tensor) -> Tensor:
    x = grid(z) * d.gain - d.offset
    return picture((x + d.whole) * d.row + torch.exp(d.log) * x / d.gain.abs().add(1) + (d.row - x) * d.log)


def masks(d: Decoder, z: Tensor) -> Tensor:
    x = grid(z, 1, 3, 4)
    bad = torch.where(x.abs() > 0.5, 1 / (x * (x.abs() > 0.5)), x)
    parts = [torch.where(x >= 0.2, bad, 0.0), torch.where(x <= 0.0, 2.0, x), torch.where(~(x < 1), 1.0, 0.5)]
    return torch.sigmoid(sum(parts))


def activations(d: Decoder, z: Tensor) -> Tensor:
    x = 2 * z
    parts = [F.relu(x), F.silu(x), F.leaky_relu(x, 0.2), F.gelu(x), F.elu(x, 1.5), F.softplus(x), x.clamp(min=-1)]
    parts += [torch.exp(x / 4), torch.tanh(x), torch.sigmoid(x), F.hardtanh(x), F.relu6(3 * x), x.abs()]
    parts += [F.selu(x), F.celu(x, 0.7), F.mish(x), F.hardswish(x), F.hardsigmoid(x), F.logsigmoid(x), x.clamp(max=0.5)]
    parts += [F.gelu(x, approximate="tanh"), F.softplus(x, beta=2), F.prelu(x, d.slope), F.softsign(x)]
    return torch.sigmoid(torch.stack(parts, dim=1)[:, None])


def in_place(d: Decoder, z: Tensor) -> Tensor:
    x = d.f(z)
    y = x.view(-1, 1, 3, 4)
    x.mul_(2).add_(1)
    return y.clamp_(0, 1)


def view_of_view(d: Decoder, z: Tensor) -> Tensor:
    x = d.f(z).view(-1, 3, 4).flatten(1).reshape(len(z), 1, -1)[:, :, :].unsqueeze(1)
    return torch.sigmoid(x.contiguous().clone().squeeze(1).unflatten(2, (2, 6)))


def continuous(d: Decoder, z: Tensor) -> Tensor:
    return ContinuousBernoulli(grid(z, 1, 3, 4) * torch.linspace(0, 3, 12).view(3, 4)).mean


UP = nn.Upsample(scale_factor=2)
CASES: dict[str, Case] = {
    "linear": Case(flat, layers(nn.Linear(LATENT, 70), nn.ReLU(), nn.Linear(70, 8, bias=False)), ("linear",)),
    "linear-grid": Case(through_rows, layers(nn.Linear(4, 5), nn.SiLU(), nn.Linear(5, 6)), ("linear",)),
    "blocks": Case(
        # Weights large enough for int8, with columns that are no whole number of blocks.
        lambda d, z: picture(d.g(d.f(z).view(-1, 40, 2, 2))),
        lambda: {
            "f": nn.Sequential(nn.Linear(LATENT, 600), nn.ReLU(), nn.Linear(600, 160), nn.SiLU()),
            "g": nn.Sequential(nn.Conv2d(40, 120, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(120, 50, 3, 2)),
        },
        ("linear", "conv2d", "conv_transpose2d"),
    ),
    "principal": Case(
        lambda d, z: (z @ d.basis + d.mean).view(-1, 1, 2, 5).clamp(0, 1),
        lambda: {"basis": torch.ones(LATENT, 10), "mean": torch.ones(10)},
        ("linear",),
    ),
    "principal-turned": Case(
        lambda d, z: torch.addmm(d.mean, z, d.basis.T).view(-1, 1, 2, 5).clamp(0, 1),
        lambda: {"basis": torch.ones(10, LATENT), "mean": torch.ones(10)},
        ("linear",),
    ),
    "conv-dilated": Case(
        through,
        layers(nn.Conv2d(3, 4, 3, padding=4, dilation=2), nn.Conv2d(4, 2, (3, 5), padding="same", dilation=(1, 2))),
        ("conv2d",),
    ),
    "conv-uneven": Case(
        lambda d, z: picture(d.f(grid(z, 1, 3, 4))),
        layers(nn.Conv2d(1, 5, (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 1)), nn.Tanh(), nn.Conv2d(5, 2, 1)),
        ("conv2d",),
    ),
    "transposed": Case(
        through,
        layers(nn.ConvTranspose2d(3, 5, 3, 2, 1, output_padding=1), nn.ELU(), nn.ConvTranspose2d(5, 2, 4, 2, 1)),
        ("conv_transpose2d",),
    ),
    "transposed-uneven": Case(
        through,
        layers(
            nn.ConvTranspose2d(3, 4, (3, 2), (2, 3), (1, 0), output_padding=(1, 2), dilation=(2, 1), bias=False),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(4, 3, (4, 3), (2, 1), (1, 2)),
        ),
        ("conv_transpose2d",),
    ),
    "batch-norm-folded": Case(
        through,
        layers(
            nn.ConvTranspose2d(3, 4, 4, 2, 1),
            nn.BatchNorm2d(4),
            nn.ReLU(True),
            nn.Conv2d(4, 5, 3, padding=1, bias=False),
            nn.BatchNorm2d(5, affine=False),
        ),
        ("conv2d", "conv_transpose2d"),
        ("scale",),
    ),
    "batch-norm-folded-1d": Case(
        flat, layers(nn.Linear(LATENT, 9), nn.BatchNorm1d(9), nn.Tanh(), nn.Linear(9, 8)), ("linear",), ("scale",)
    ),
    "batch-norm-alone": Case(
        through, layers(nn.BatchNorm2d(3), nn.SiLU(), nn.Conv2d(3, 3, 1), nn.SiLU(), nn.BatchNorm2d(3)), ("scale",)
    ),
    "batch-norm-alone-1d": Case(
        lambda d, z: torch.sigmoid(d.f(z) + d.g(d.f(z).view(-1, 3, 4)).flatten(1)).view(-1, 1, 3, 4),
        lambda: {"f": nn.BatchNorm1d(LATENT), "g": nn.BatchNorm1d(3)},
        ("scale",),
    ),
    "batch-norm-of-a-reader": Case(
        lambda d, z: picture(d.g(x := d.f(grid(z))) + x),
        lambda: {"f": nn.Conv2d(3, 4, 1), "g": nn.BatchNorm2d(4)},
        ("scale", "conv2d"),
    ),
    "batch-norm-of-a-view": Case(
        lambda d, z: picture(d.g(grid(d.f(z), 4, 2, 3))),
        lambda: {"f": nn.Linear(LATENT, 24), "g": nn.BatchNorm2d(4)},
        ("scale", "linear"),
    ),
    "batch-norm-of-rows": Case(through_rows, layers(nn.Linear(4, 3), nn.BatchNorm1d(3)), ("scale", "linear")),
    "group-norm": Case(
        lambda d, z: picture(d.f(grid(z, 6, 1, 2))), layers(nn.GroupNorm(3, 6), nn.Conv2d(6, 2, 1)), ("group_norm",)
    ),
    "instance-norm": Case(
        through,
        layers(nn.InstanceNorm2d(3), nn.Conv2d(3, 4, 1), nn.InstanceNorm2d(4, affine=True, eps=1e-3)),
        ("group_norm",),
    ),
    "instance-norm-remembered": Case(
        through, layers(nn.InstanceNorm2d(3, affine=True, track_running_stats=True)), ("scale",), ("group_norm",)
    ),
    "layer-norm": Case(
        lambda d, z: torch.sigmoid(d.g(d.f(z.view(-1, 3, 4)))).view(-1, 1, 3, 4),
        lambda: {"f": nn.LayerNorm(4), "g": nn.LayerNorm([3, 4], elementwise_affine=False, eps=1e-3)},
        ("layer_norm",),
    ),
    "nearest-fused": Case(
        lambda d, z: picture(d.f(x := d.up(grid(z))) + d.g(x)),
        lambda: {"up": UP, "f": nn.Conv2d(3, 4, 3, padding=1), "g": nn.Conv2d(3, 4, 1)},
        ("conv2d",),
        ("upsample",),
    ),
    "nearest-fused-strided": Case(
        through,
        layers(nn.Upsample(size=(6, 6)), nn.Conv2d(3, 4, 3, stride=2, padding=2, dilation=2)),
        without=("upsample",),
    ),
    "nearest-twice": Case(through, layers(UP, nn.Upsample(scale_factor=3), nn.Conv2d(3, 2, 3)), ("upsample",)),
    "nearest-shared": Case(
        lambda d, z: picture(d.f(x := d.up(grid(z))) + x), lambda: {"up": UP, "f": nn.Conv2d(3, 3, 1)}, ("upsample",)
    ),
    "nearest-uneven": Case(
        through, layers(nn.Upsample(size=(3, 5)), nn.Upsample(scale_factor=(2, 3)), nn.Conv2d(3, 2, 1)), ("upsample",)
    ),
    "nearest-transposed": Case(through, layers(UP, nn.ConvTranspose2d(3, 2, 3)), ("upsample", "conv_transpose2d")),
    "bilinear": Case(through, layers(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(3, 2, 1)), ("upsample",)),
    "bilinear-aligned": Case(through, layers(nn.UpsamplingBilinear2d(size=(5, 3))), ("upsample",)),
    "pixel-shuffle": Case(
        lambda d, z: picture(d.f(grid(z, 12, 1, 1))),
        layers(nn.PixelShuffle(2), nn.Conv2d(3, 18, 1), nn.PixelShuffle(3)),
        ("pixel_shuffle",),
    ),
    "residual": Case(residual, layers(nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1)), ("add", "conv2d")),
    "residual-in-place": Case(
        residual_in_place, lambda: {"g": nn.Conv2d(3, 3, 1), "f": nn.Conv2d(3, 3, 3, padding=1)}, ("add",)
    ),
    "in-place": Case(in_place, layers(nn.Linear(LATENT, 12)), ("linear", "activation")),
    "view-of-view": Case(view_of_view, layers(nn.Linear(LATENT, 12)), ("linear",), ("slice",)),
    "clipped": Case(
        lambda d, z: (torch.tanh(d.f(z)).view(-1, 1, 3, 4) / 2 + 0.5).clamp(0, 1),
        layers(nn.Linear(LATENT, 12)),
        ("activation",),
    ),
    "arithmetic": Case(arithmetic, ops=("scale", "mul", "sub")),
    "learned-scales": Case(
        learned_scales,
        lambda: {
            "gain": torch.ones(3, 1, 1),
            "offset": torch.ones(1, 3, 1, 1),
            "whole": torch.ones(3, 2, 2),
            "row": torch.ones(2),
            "log": torch.ones(()),
        },
        ("scale",),
    ),
    "masks": Case(masks, ops=("keep",)),
    "continuous-bernoulli": Case(continuous, ops=("keep",)),
    "activations": Case(activations, lambda: {"slope": torch.ones(LATENT)}, ("activation", "concat")),
    "hierarchy": Case(
        hierarchy, lambda: {"f": nn.Linear(5, 8), "g": nn.Linear(7, 8)}, ("slice", "concat", "mul"), sizes=(5, 7)
    ),
    "halves": Case(halves, ops=("slice", "mul", "sub")),
    "rows-and-columns": Case(by_row_and_column, ops=("sub", "mul", "expand")),
    "middle-axis": Case(middle_axis, layers(nn.Conv2d(2, 1, 1)), ("concat",)),
    "broadcast-grid": Case(
        broadcast_grid, layers(nn.Conv2d(LATENT + 2, 3, 3, padding=1)), ("concat", "expand", "scale")
    ),
    "by-class": Case(
        lambda d, z, y: flat(d, torch.cat([z, d.e(y)], dim=1)),
        lambda: {"e": nn.Embedding(5, 4), "f": nn.Linear(LATENT + 4, 8)},
        ("concat", "embed"),
        condition=CLASSES,
    ),
    "by-one-hot": Case(
        lambda d, z, y: flat(d, torch.cat([z, F.one_hot(y, 5).float()], dim=1)),
        layers(nn.Linear(LATENT + 5, 8)),
        ("concat", "embed"),
        condition=CLASSES,
    ),
    "by-class-film": Case(
        by_film, lambda: {"e": nn.Embedding(5, 6), "f": nn.Conv2d(3, 2, 1)}, ("embed", "mul", "add"), condition=CLASSES
    ),
    "by-attributes": Case(
        by_attributes, layers(nn.Conv2d(6, 4, 3, padding=1)), ("concat", "expand"), condition=ATTRIBUTES
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def made() -> Callable[..., Decoder]:
    """Builds a decoder whose pictures are one row of what `body` gives."""

    def build(body: Callable[..., Tensor], size: int = 4, **parts: object) -> Decoder:
        return Decoder(lambda d, z: body(d, z).reshape(len(z), 1, 1, -1), None, (size,), **parts)

    return build


@pytest.fixture
def cases() -> dict[str, Case]:
    return CASES
