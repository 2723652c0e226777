"""The network of a decoder that draws pixel by pixel: what z says of every place, and what was drawn before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from latentlab.codec import ImageSpec
from latentlab.errors import CapabilityError
from latentlab.nn import Network
from latentlab.nn.activation import ActivationName, build_activation
from latentlab.nn.bound import MOST_BLOCKS, check_numbers, check_width
from latentlab.nn.canvas import build_canvas
from latentlab.nn.masked import GatedBlock, MaskedConv2d, seen_window

# A wider window models a whole picture without a latent, and costs memory for every offset.
MOST_KERNEL = 63

# From the unbounded outputs of a row of pixels, (n, c, 1, m), to the values that are drawn there.
Pick = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Raster:
    """Which pixels before it a pixel sees, and the sizes of the layers that look.

    Args:
        kernel: the side of the first masked convolution, odd: (kernel − 1) / 2 rows above, and as many columns to
            either side.
        inner: the side of the masked convolution in each block, odd; 1 leaves the window as it is, 3 widens it by a
            pixel a block.
        blocks: gated residual blocks.
        channels: their width, and the features that z draws at every pixel.
    """

    kernel: int = 5
    inner: int = 1
    blocks: int = 2
    channels: int = 32
    activation: ActivationName = "silu"

    def __post_init__(self) -> None:
        for name, value, least in (("kernel", self.kernel, 3), ("inner", self.inner, 1)):
            if not least <= value <= MOST_KERNEL or value % 2 == 0:
                raise ValueError(f"{name}: expected an odd number from {least} to {MOST_KERNEL}, got {value}")
        check_numbers("blocks", (self.blocks,), least=0, most=MOST_BLOCKS, lengths=range(1, 2))
        check_width("channels", self.channels)

    @property
    def reach(self) -> int:
        """How many rows up a pixel sees."""
        return self.kernel // 2 + self.blocks * (self.inner // 2)

    def build(self, network: Network, latent: int, image: ImageSpec) -> RasterDecoder:
        """The decoder, with a canvas that `network` draws."""
        return RasterDecoder(self, network, latent, image)


class RasterDecoder(nn.Module):
    """For every pixel i the unbounded output of p(x_i | x before it within the window, z).

    z draws features on a canvas; a masked convolution adds what stands before each pixel, and gated blocks make one of
    the two. Channels of one pixel do not see each other.

    References:
        X. Chen et al., "Variational Lossy Autoencoder", 2016, arXiv:1611.02731.
        A. van den Oord et al., "Conditional Image Generation with PixelCNN Decoders", 2016, arXiv:1606.05328.
    """

    def __init__(self, config: Raster, network: Network, latent: int, image: ImageSpec) -> None:
        super().__init__()
        width = config.channels
        self.image = image
        self.canvas = build_canvas(network, latent, image, width)
        self.first = MaskedConv2d(image.channels, width, config.kernel, centre=False)
        self.blocks = nn.ModuleList(GatedBlock(width, config.inner, config.activation) for _ in range(config.blocks))
        self.last = nn.Sequential(build_activation(config.activation), nn.Conv2d(width, image.channels, kernel_size=1))

    @property
    def window(self) -> Bool[Tensor, "rows columns"]:
        """What a pixel sees of those before it; it stands in the middle of the last row itself."""
        return seen_window([layer.offsets for layer in self._masked()])

    def forward(self, x: Float[Tensor, "n c h w"], canvas: Float[Tensor, "n features h w"]) -> Float[Tensor, "n c h w"]:
        """The outputs of all pixels at once, each given those before it in the image.

        Args:
            x: images.
            canvas: what z says of every pixel: `canvas(z)`.
        """
        h = self.first(_centred(x)) + canvas
        for block in self.blocks:
            h = block(h)
        return self.last(h)

    def draw(self, canvas: Float[Tensor, "n features h w"], pick: Pick) -> Float[Tensor, "n c h w"]:
        """Draw images: each pixel as `pick` chooses it from its output, given those drawn before it.

        What each layer was given is kept and looked up, so that a pixel costs what it costs in `forward`, and pixels
        that do not see each other are drawn together. Gradients reach the canvas where `pick` lets them through.

        Raises:
            CapabilityError: when torch traces a program of one pass.
        """
        if torch.compiler.is_compiling():
            raise CapabilityError(
                "expected a decoder of one pass, got one that draws pixel by pixel, each from those before it; its "
                "pictures have to be made beforehand"
            )
        count, _, height, width = canvas.shape
        memories = [_Memory(layer, canvas) for layer in self._masked()]
        features = canvas.flatten(2).transpose(1, 2).contiguous()
        picture = canvas.new_empty(count, height * width, self.image.channels)
        for pixels in self._steps(height, width, canvas.device):
            h = self.first.at(memories[0].seen(pixels)) + features.index_select(1, pixels).flatten(0, 1)
            for block, memory in zip(self.blocks, memories[1:], strict=True):
                given = block.activation(h)  # type: ignore[operator]
                if memory.reach:
                    memory.write(pixels, given.unflatten(0, (count, -1)))
                    given = memory.seen(pixels)
                h = block.at(h, given)  # type: ignore[operator]
            output = self.last(h[:, :, None, None]).view(count, len(pixels), -1)
            values = pick(output.transpose(1, 2)[:, :, None, :])[:, :, 0, :].transpose(1, 2)
            picture[:, pixels] = values
            memories[0].write(pixels, _centred(values))
        return picture.transpose(1, 2).unflatten(2, (height, width)).contiguous()

    def _steps(self, height: int, width: int, device: torch.device) -> tuple[Tensor, ...]:
        """The numbers of the pixels that are drawn together, step by step: column + slope · row is the same for all.

        A layer sees at most `reach` columns to the right in a row above, so that a row may follow the one above it
        reach + 1 columns behind.
        """
        slope = max(layer.reach for layer in self._masked()) + 1
        pixels = torch.arange(height * width)
        times = pixels % width + slope * (pixels // width)
        counts = [count for count in times.bincount().tolist() if count]
        return times.argsort(stable=True).to(device).split(counts)

    def _masked(self) -> list[MaskedConv2d]:
        return [self.first, *(block.content for block in self.blocks)]  # type: ignore[list-item]


class _Memory:
    """What a masked layer was given, pixel by pixel, with the zeros that stand outside the image."""

    def __init__(self, layer: MaskedConv2d, canvas: Tensor) -> None:
        count, _, height, width = canvas.shape
        self.reach, self.width = layer.reach, width
        self.across = width + 2 * layer.reach
        self.offsets = torch.tensor([row * self.across + column for row, column in layer.offsets], device=canvas.device)
        self.values = canvas.new_zeros(count, (height + layer.reach) * self.across, layer.weight.shape[1])

    def _places(self, pixels: Tensor) -> Tensor:
        return (pixels // self.width + self.reach) * self.across + pixels % self.width + self.reach

    def write(self, pixels: Tensor, values: Tensor) -> None:
        """Keep values of shape (n, m, channels) at m pixels."""
        self.values[:, self._places(pixels)] = values

    def seen(self, pixels: Tensor) -> Tensor:
        """What the layer sees from m pixels, of shape (n · m, features)."""
        around = (self._places(pixels)[:, None] + self.offsets).flatten()
        return self.values.index_select(1, around).view(len(self.values) * len(pixels), -1)


def _centred(x: Tensor) -> Tensor:
    """About 0, so that black is not what stands outside the image."""
    return 2 * x - 1
