"""diffusers' AutoencoderKL written down once more, on a dictionary of weights: what its layers have to equal."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = dict[str, Tensor]


def draw_weights(
    widths: tuple[int, ...] = (8, 16),
    *,
    images: int = 3,
    latents: int = 4,
    layers: int = 1,
    attention: bool = True,
    attentions: bool = False,
    quantised: bool = True,
    seed: int = 0,
) -> Weights:
    """Random weights of an AutoencoderKL, by the names of diffusers."""
    generator = torch.Generator().manual_seed(seed)

    def tensor(*shape: int, scale: float = 0.3) -> Tensor:
        return scale * torch.randn(shape, generator=generator)

    found: Weights = {}

    def conv(name: str, inputs: int, outputs: int, kernel: int = 3) -> None:
        found[f"{name}.weight"] = tensor(outputs, inputs, kernel, kernel, scale=1 / (kernel * inputs**0.5))
        found[f"{name}.bias"] = tensor(outputs)

    def norm(name: str, channels: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = 1 + tensor(channels), tensor(channels)

    def residual(name: str, inputs: int, outputs: int) -> None:
        norm(f"{name}.norm1", inputs)
        conv(f"{name}.conv1", inputs, outputs)
        norm(f"{name}.norm2", outputs)
        conv(f"{name}.conv2", outputs, outputs)
        if inputs != outputs:
            conv(f"{name}.conv_shortcut", inputs, outputs, 1)

    def attend(name: str, channels: int) -> None:
        norm(f"{name}.group_norm", channels)
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            found[f"{name}.{part}.weight"], found[f"{name}.{part}.bias"] = tensor(channels, channels), tensor(channels)

    def block(name: str, inputs: int, outputs: int, count: int) -> None:
        for index in range(count):
            residual(f"{name}.resnets.{index}", outputs if index else inputs, outputs)
            if attentions:
                attend(f"{name}.attentions.{index}", outputs)

    def middle(name: str) -> None:
        for index in range(2):
            residual(f"{name}.resnets.{index}", widths[-1], widths[-1])
        if attention:
            attend(f"{name}.attentions.0", widths[-1])

    conv("encoder.conv_in", images, widths[0])
    for index, (inputs, outputs) in enumerate(pairwise((widths[0], *widths))):
        block(f"encoder.down_blocks.{index}", inputs, outputs, layers)
        if index < len(widths) - 1:
            conv(f"encoder.down_blocks.{index}.downsamplers.0.conv", outputs, outputs)
    middle("encoder.mid_block")
    norm("encoder.conv_norm_out", widths[-1])
    conv("encoder.conv_out", widths[-1], 2 * latents)
    conv("decoder.conv_in", latents, widths[-1])
    middle("decoder.mid_block")
    for index, (inputs, outputs) in enumerate(pairwise((widths[-1], *widths[::-1]))):
        block(f"decoder.up_blocks.{index}", inputs, outputs, layers + 1)
        if index < len(widths) - 1:
            conv(f"decoder.up_blocks.{index}.upsamplers.0.conv", outputs, outputs)
    norm("decoder.conv_norm_out", widths[0])
    conv("decoder.conv_out", widths[0], images)
    if quantised:
        conv("quant_conv", 2 * latents, 2 * latents, 1)
        conv("post_quant_conv", latents, latents, 1)
    return found


def encode(weights: Weights, x: Tensor, groups: int = 32) -> tuple[Tensor, Tensor]:
    """Mean and log-variance, of shape (n, c, h, w), of images in [−1, 1]."""
    h = _conv(weights, "encoder.conv_in", x)
    for block in _numbered(weights, "encoder.down_blocks"):
        h = _residuals(weights, block, h, groups)
        if f"{block}.downsamplers.0.conv.weight" in weights:
            name = f"{block}.downsamplers.0.conv"
            h = F.conv2d(F.pad(h, (0, 1, 0, 1)), weights[f"{name}.weight"], weights[f"{name}.bias"], stride=2)
    h = F.silu(_norm(weights, "encoder.conv_norm_out", _middle(weights, "encoder.mid_block", h, groups), groups))
    h = _conv(weights, "encoder.conv_out", h)
    mean, logvar = (_conv(weights, "quant_conv", h) if "quant_conv.weight" in weights else h).chunk(2, dim=1)
    return mean, logvar.clamp(-30, 20)


def decode(weights: Weights, z: Tensor, groups: int = 32) -> Tensor:
    """Images around [−1, 1] of latents of shape (n, c, h, w)."""
    h = _conv(weights, "post_quant_conv", z) if "post_quant_conv.weight" in weights else z
    h = _middle(weights, "decoder.mid_block", _conv(weights, "decoder.conv_in", h), groups)
    for block in _numbered(weights, "decoder.up_blocks"):
        h = _residuals(weights, block, h, groups)
        if f"{block}.upsamplers.0.conv.weight" in weights:
            h = _conv(weights, f"{block}.upsamplers.0.conv", h.repeat_interleave(2, 2).repeat_interleave(2, 3))
    return _conv(weights, "decoder.conv_out", F.silu(_norm(weights, "decoder.conv_norm_out", h, groups)))


def _numbered(weights: Weights, prefix: str) -> Iterator[str]:
    count = 0
    while any(name.startswith(f"{prefix}.{count}.") for name in weights):
        yield f"{prefix}.{count}"
        count += 1


def _conv(weights: Weights, name: str, x: Tensor) -> Tensor:
    weight = weights[f"{name}.weight"]
    return F.conv2d(x, weight, weights[f"{name}.bias"], padding=weight.shape[-1] // 2)


def _norm(weights: Weights, name: str, x: Tensor, groups: int) -> Tensor:
    return F.group_norm(x, groups, weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)


def _residual(weights: Weights, name: str, x: Tensor, groups: int) -> Tensor:
    h = _conv(weights, f"{name}.conv1", F.silu(_norm(weights, f"{name}.norm1", x, groups)))
    h = _conv(weights, f"{name}.conv2", F.silu(_norm(weights, f"{name}.norm2", h, groups)))
    return h + (_conv(weights, f"{name}.conv_shortcut", x) if f"{name}.conv_shortcut.weight" in weights else x)


def _attention(weights: Weights, name: str, x: Tensor, groups: int) -> Tensor:
    places = _norm(weights, f"{name}.group_norm", x, groups).flatten(2).transpose(1, 2)
    q, k, v = (
        F.linear(places, weights[f"{name}.{p}.weight"], weights[f"{name}.{p}.bias"]) for p in ("to_q", "to_k", "to_v")
    )
    seen = torch.softmax(q @ k.transpose(1, 2) / x.shape[1] ** 0.5, dim=-1) @ v
    out = F.linear(seen, weights[f"{name}.to_out.0.weight"], weights[f"{name}.to_out.0.bias"])
    return x + out.transpose(1, 2).reshape(x.shape)


def _residuals(weights: Weights, block: str, x: Tensor, groups: int) -> Tensor:
    for index, name in enumerate(_numbered(weights, f"{block}.resnets")):
        x = _residual(weights, name, x, groups)
        if f"{block}.attentions.{index}.to_q.weight" in weights:
            x = _attention(weights, f"{block}.attentions.{index}", x, groups)
    return x


def _middle(weights: Weights, block: str, x: Tensor, groups: int) -> Tensor:
    x = _residual(weights, f"{block}.resnets.0", x, groups)
    if f"{block}.attentions.0.to_q.weight" in weights:
        x = _attention(weights, f"{block}.attentions.0", x, groups)
    return _residual(weights, f"{block}.resnets.1", x, groups)
