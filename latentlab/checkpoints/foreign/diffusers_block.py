"""The blocks of diffusers' AutoencoderKL as layers, by the names of their weights."""

from __future__ import annotations

from dataclasses import dataclass

from latentlab.checkpoints.foreign.piece import Piece, Source, join_pieces
from latentlab.errors import FileFormatError
from latentlab.nn.activation import ActivationName
from latentlab.nn.layer import ActivationLayer, AttentionLayer, ConvLayer, NormLayer, ResidualLayer, ResizeLayer

# Names that the projections of its attention have had, the newest first.
PROJECTIONS = {
    "query": ("to_q", "query"),
    "key": ("to_k", "key"),
    "value": ("to_v", "value"),
    "out": ("to_out.0", "proj_attn"),
}
EPSILON = 1e-6
MOST_BLOCKS = 8
MOST_RESIDUALS = 16


@dataclass(frozen=True)
class Blocks:
    """The blocks of an AutoencoderKL by the names of their weights."""

    source: Source
    groups: int
    activation: ActivationName

    def encoder(self) -> tuple[list[Piece], list[Piece], list[Piece]]:
        """The layers that mean and log-variance share, and the last one of each."""
        pieces = [self.conv("encoder.conv_in")]
        for block in self.numbered("encoder.down_blocks", MOST_BLOCKS):
            pieces += self.residuals(block)
            if f"{block}.downsamplers.0.conv.weight" in self.source:
                pieces += [
                    Piece(ResizeLayer(pad=1)),
                    self.conv(f"{block}.downsamplers.0.conv", stride=2, padding=0),
                ]
        pieces += [
            *self.middle("encoder.mid_block"),
            self.norm("encoder.conv_norm_out"),
            Piece(ActivationLayer(name="silu")),
        ]
        last = self.conv("encoder.conv_out")
        if "quant_conv.weight" in self.source:
            pieces.append(last)
            last = self.conv("quant_conv")
        return pieces, *_halves(last)

    def decoder(self) -> list[Piece]:
        """The layers from a latent to an image."""
        pieces = [self.conv("post_quant_conv")] if "post_quant_conv.weight" in self.source else []
        pieces += [self.conv("decoder.conv_in"), *self.middle("decoder.mid_block")]
        for block in self.numbered("decoder.up_blocks", MOST_BLOCKS):
            pieces += self.residuals(block)
            if f"{block}.upsamplers.0.conv.weight" in self.source:
                pieces += [Piece(ResizeLayer(factor=2)), self.conv(f"{block}.upsamplers.0.conv")]
        return [
            *pieces,
            self.norm("decoder.conv_norm_out"),
            Piece(ActivationLayer(name="silu")),
            self.conv("decoder.conv_out"),
        ]

    def numbered(self, prefix: str, most: int) -> list[str]:
        """`prefix.0`, `prefix.1`, … for as long as there is one."""
        found = {
            name.removeprefix(f"{prefix}.").split(".", 1)[0]
            for name in self.source.tensors
            if name.startswith(f"{prefix}.")
        }
        count = len(found)
        if count > most or found != {str(index) for index in range(count)}:
            raise FileFormatError(
                f"expected blocks {prefix}.0 to at most .{most - 1} without a gap, got {sorted(found)[:5]}"
            )
        return [f"{prefix}.{index}" for index in range(count)]

    def residuals(self, block: str) -> list[Piece]:
        """Residual blocks, each followed by attention where the block has any."""
        pieces = []
        for index, name in enumerate(self.numbered(f"{block}.resnets", MOST_RESIDUALS)):
            pieces.append(self.residual(name))
            if f"{block}.attentions.{index}.group_norm.weight" in self.source:
                pieces.append(self.attention(f"{block}.attentions.{index}"))
        return pieces

    def middle(self, block: str) -> list[Piece]:
        """A residual block, attention where there is any, and another one."""
        first, *others = self.numbered(f"{block}.resnets", MOST_RESIDUALS)
        pieces = [self.residual(first)]
        for index, name in enumerate(others):
            if f"{block}.attentions.{index}.group_norm.weight" in self.source:
                pieces.append(self.attention(f"{block}.attentions.{index}"))
            pieces.append(self.residual(name))
        return pieces

    def residual(self, name: str) -> Piece:
        """x + conv(act(norm(conv(act(norm(x)))))), with a 1 × 1 convolution of x where the widths differ."""
        act = Piece(ActivationLayer(name=self.activation))
        body, weights = join_pieces(
            "body",
            [
                *(self.norm(f"{name}.norm1"), act, self.conv(f"{name}.conv1")),
                *(self.norm(f"{name}.norm2"), act, self.conv(f"{name}.conv2")),
            ],
        )
        has_shortcut = f"{name}.conv_shortcut.weight" in self.source
        shortcut, more = join_pieces("shortcut", [self.conv(f"{name}.conv_shortcut")] if has_shortcut else [])
        return Piece(ResidualLayer(body=body, shortcut=shortcut), {**weights, **more})

    def attention(self, name: str) -> Piece:
        """x + attention over all places, one head."""
        norm = self.norm(f"{name}.group_norm")
        channels = len(norm.tensors["weight"])
        weights = {f"norm.{key}": tensor for key, tensor in norm.tensors.items()}
        for ours, names in PROJECTIONS.items():
            theirs = next((n for n in names if f"{name}.{n}.weight" in self.source), names[0])
            matrix = self.source.tensors.get(f"{name}.{theirs}.weight")
            # Some files keep them as 1 × 1 convolutions.
            dimensions = 4 if matrix is not None and tuple(matrix.shape[2:]) == (1, 1) else 2
            weights[f"{ours}.weight"] = self.source.take(f"{name}.{theirs}.weight", dimensions).flatten(1)
            weights[f"{ours}.bias"] = self.source.take(f"{name}.{theirs}.bias", 1)
        return Piece(AttentionLayer(channels=channels, groups=self.groups, epsilon=EPSILON), weights)

    def norm(self, name: str) -> Piece:
        """Normalisation over groups of channels."""
        weight = self.source.take(f"{name}.weight", 1)
        layer = NormLayer(over="group", channels=len(weight), groups=self.groups, epsilon=EPSILON)
        return Piece(layer, {"weight": weight, "bias": self.source.take(f"{name}.bias", 1)})

    def conv(self, name: str, stride: int = 1, padding: int | None = None) -> Piece:
        """A convolution whose size its weights tell; the result is as large as what it gets where nothing is said."""
        weight = self.source.take(f"{name}.weight", 4)
        outputs, inputs, height, width = weight.shape
        if height != width or height % 2 == 0:
            raise FileFormatError(f"expected {name!r} to have an odd, square kernel, got {height}×{width}")
        padding = height // 2 if padding is None else padding
        layer = ConvLayer(inputs=inputs, outputs=outputs, kernel=height, stride=stride, padding=padding)
        return Piece(layer, {"weight": weight, "bias": self.source.take(f"{name}.bias", 1)})


def _halves(last: Piece) -> tuple[list[Piece], list[Piece]]:
    """The convolution to the mean and the one to the log-variance: the halves of one that gives both."""
    assert isinstance(last.layer, ConvLayer)
    channels, odd = divmod(last.layer.outputs, 2)
    if odd:
        raise FileFormatError(f"expected a mean and a log-variance, got {last.layer.outputs} channels of both together")
    layer = ConvLayer(inputs=last.layer.inputs, outputs=channels, kernel=last.layer.kernel, padding=last.layer.padding)
    first, second = (
        Piece(layer, {key: tensor[rows] for key, tensor in last.tensors.items()})
        for rows in (slice(channels), slice(channels, None))
    )
    return [first], [second]
