"""The decoder that draws pixel by pixel: what each pixel sees, and that drawing with a memory changes nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from latentlab.codec import ImageSpec
from latentlab.errors import CapabilityError
from latentlab.nn import MLP, Conv, Network, Residual
from latentlab.nn.canvas import build_canvas
from latentlab.nn.observation import Observation
from latentlab.nn.raster import Raster, RasterDecoder

LATENT = 3
CASES = [
    Raster(3, 1, 2, 6),
    Raster(5, 1, 1, 6),
    Raster(3, 3, 2, 6),
    Raster(5, 3, 1, 4),
    Raster(7, 5, 1, 4),
    Raster(3, 1, 0, 4),
]
IMAGES = [ImageSpec(1, 7, 9), ImageSpec(3, 6, 4), ImageSpec(1, 1, 5), ImageSpec(1, 5, 1)]


def build(config: Raster, image: ImageSpec) -> RasterDecoder:
    torch.manual_seed(0)
    decoder = config.build(MLP(hidden=(5,), activation="silu"), LATENT, image)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.add_(0.3 * torch.randn(weight.shape))
    return decoder.double().requires_grad_(False)


def latents(count: int = 3) -> torch.Tensor:
    return torch.randn(count, LATENT, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def seeded(seed: int = 2) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("config", CASES, ids=str)
def test_a_pixel_sees_the_window_and_the_latent_and_nothing_else(config: Raster):
    image = IMAGES[0]
    decoder = build(config, image)
    window = decoder.window
    reach = config.reach
    assert window.shape == (reach + 1, 2 * reach + 1)
    x = torch.rand(1, *image.shape, generator=seeded(), dtype=torch.float64).requires_grad_()
    z = latents(1).requires_grad_()
    output = decoder(x, decoder.canvas(z))
    for row in range(image.height):
        for column in range(image.width):
            slope, told = torch.autograd.grad(output[0, 0, row, column], (x, z), retain_graph=True)
            wanted = torch.zeros(image.height, image.width, dtype=torch.bool)
            for up, across in window.nonzero().tolist():
                at, beside = row - reach + up, column - reach + across
                if at >= 0 and 0 <= beside < image.width:
                    wanted[at, beside] = True
            assert torch.equal(slope[0, 0] != 0, wanted), (row, column)
            assert (told != 0).all()


def test_channels_of_a_pixel_do_not_see_each_other():
    decoder = build(CASES[2], IMAGES[1])
    x = torch.rand(1, 3, 6, 4, generator=seeded(), dtype=torch.float64).requires_grad_()
    output = decoder(x, decoder.canvas(latents(1)))
    (slope,) = torch.autograd.grad(output[0, 2, 3, 2], x)
    assert not slope[0, :, 3, 2:].any() and not slope[0, :, 4:].any()
    assert (slope[0, :, 3, 1] != 0).all() and (slope[0, :, 2, 2] != 0).all()


@pytest.mark.parametrize("image", IMAGES, ids=str)
@pytest.mark.parametrize("config", CASES, ids=str)
def test_pixels_that_are_drawn_together_do_not_see_each_other(config: Raster, image: ImageSpec):
    decoder = build(config, image)
    steps = [step.tolist() for step in decoder._steps(image.height, image.width, torch.device("cpu"))]
    assert sorted(pixel for step in steps for pixel in step) == list(range(image.height * image.width))
    time = {pixel: number for number, step in enumerate(steps) for pixel in step}
    for pixel, now in time.items():
        row, column = divmod(pixel, image.width)
        for up, across in decoder.window.nonzero().tolist():
            at, beside = row - config.reach + up, column - config.reach + across
            if at >= 0 and 0 <= beside < image.width:
                assert time[at * image.width + beside] < now


def test_the_steps_are_few():
    decoder = build(Raster(7, 1, 1, 4), ImageSpec(1, 28, 28))
    assert len(decoder._steps(28, 28, torch.device("cpu"))) == 28 + 4 * 27


@pytest.mark.parametrize("image", IMAGES, ids=str)
@pytest.mark.parametrize("config", CASES, ids=str)
def test_means_drawn_with_a_memory_are_those_drawn_one_after_the_other(config: Raster, image: ImageSpec):
    decoder = build(config, image)
    canvas = decoder.canvas(latents())
    naive = torch.zeros(3, *image.shape, dtype=torch.float64)
    for row in range(image.height):
        for column in range(image.width):
            naive[:, :, row, column] = torch.sigmoid(decoder(naive, canvas))[:, :, row, column]
    torch.testing.assert_close(decoder.draw(canvas, torch.sigmoid), naive)


@pytest.mark.parametrize("kind", ["bernoulli", "continuous-bernoulli", "gaussian"])
@pytest.mark.parametrize("config", CASES, ids=str)
def test_samples_drawn_with_a_memory_are_those_of_the_whole_network(config: Raster, kind: str):
    image = IMAGES[1]
    decoder = build(config, image)
    observe = Observation(kind, 0.3).build()  # type: ignore[arg-type]
    canvas = decoder.canvas(latents())
    generator = seeded()
    drawn = decoder.draw(canvas, lambda output: observe(output).sample(generator))
    generator = seeded()
    naive = torch.zeros(3, *image.shape, dtype=torch.float64)
    flat = naive.flatten(2)
    for pixels in decoder._steps(image.height, image.width, torch.device("cpu")):
        output = decoder(naive, canvas).flatten(2)[:, :, None, pixels]
        flat[:, :, pixels] = observe(output).sample(generator)[:, :, 0]
    assert torch.equal(drawn > 0.5, naive > 0.5)
    torch.testing.assert_close(drawn, naive)


@pytest.mark.parametrize(
    "network",
    [MLP(hidden=()), MLP(hidden=(5, 4)), Conv(channels=(4, 3), hidden=6), Conv(channels=(4,), hidden=0),
     Residual(channels=(4, 3), blocks=(1, 0), hidden=0, head=2)],
    ids=str,
)  # fmt: skip
def test_a_canvas_is_the_decoder_of_its_network_with_more_channels(network: Network):
    image = ImageSpec(3, 7, 5)
    canvas = build_canvas(network, LATENT, image, 11)
    plain = network.build_decoder(LATENT, image)
    assert canvas(torch.zeros(2, LATENT)).shape == (2, 11, 7, 5)
    # All but the last layer as it was.
    same = [weight.shape for weight in plain.parameters()][:-2]
    assert [weight.shape for weight in canvas.parameters()][:-2] == same
    with torch.no_grad():
        assert torch.isfinite(canvas(torch.randn(2, LATENT, generator=seeded()))).all()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kernel": 4}, "kernel: expected an odd number from 3 to 63, got 4"),
        ({"kernel": 1}, "kernel: expected an odd number from 3"),
        ({"kernel": 65}, "kernel: expected an odd number"),
        ({"inner": 2}, "inner: expected an odd number from 1"),
        ({"blocks": -1}, "blocks: expected numbers from 0"),
        ({"blocks": 65}, "blocks: expected numbers from 0 to 64"),
        ({"channels": 0}, "channels: expected 1 to"),
    ],
)
def test_sizes_that_it_refuses(options: dict, says: str):
    with pytest.raises(ValueError, match=says):
        Raster(**options)


def test_it_is_no_program_of_one_pass():
    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = build(CASES[0], IMAGES[0])

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.decoder.draw(self.decoder.canvas(z), torch.sigmoid)

    with pytest.raises(CapabilityError, match="one that draws pixel by pixel"):
        torch.export.export(Decoder(), (latents(2),), strict=False)
