"""The hierarchical VAE: what every family promises, in closed form, by integration, and against plain NumPy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from latentlab import schema
from latentlab.checkpoints import read_checkpoint, write_checkpoint
from latentlab.codec import Codec, ImageSpec, LatentModel
from latentlab.distributions import DiagonalNormal, StandardNormal
from latentlab.distributions.top_down import Level
from latentlab.errors import CapabilityError, DataError, UnknownNameError
from latentlab.models import MODELS, ModelConfig
from latentlab.models.hierarchical import Hierarchical, HierarchicalConfig
from latentlab.nn import MLP, Conv, Residual
from latentlab.nn.observation import Observation
from latentlab.nn.residual import ResidualBlock
from latentlab.objectives import ELBO
from latentlab.report.live import trace_program

COUNT = 5
CASES: list[tuple[Any, tuple[int, ...]]] = [
    (MLP(hidden=(6, 5), activation="gelu"), (3, 2)),
    (MLP(hidden=(9, 6, 5), activation="tanh"), (2, 3)),
    (Conv(channels=(4, 3), hidden=6, activation="silu"), (3, 2, 1)),
    (Conv(channels=(4,), hidden=0, activation="elu"), (3, 2)),
    (Residual(channels=(4, 3), blocks=(1, 2), hidden=6, head=4), (3, 2, 1)),
    (Residual(channels=(3, 4), blocks=(3, 0), hidden=0, head=2), (2, 3)),
]
IMAGES = [ImageSpec(1, 4, 4), ImageSpec(1, 7, 5), ImageSpec(3, 9, 6), ImageSpec(3, 3, 11)]
OBSERVATIONS = [Observation("bernoulli"), Observation("gaussian", "learned")]


def seeded(seed: int = 2) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(network: Any, latent: tuple[int, ...], observation: Observation, image: ImageSpec) -> Hierarchical:
    torch.manual_seed(0)
    model = HierarchicalConfig(image, latent=latent, network=network, likelihood=observation).build()
    # Residual blocks begin as the identity, and priors as N(0, 1): what is tested are weights as training leaves them.
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.15 * torch.randn(weight.shape))
    return model.eval()


def describe(case: tuple) -> str:
    (network, latent), observation, image = case
    levels = "-".join(map(str, latent))
    return f"{network.kind}-{levels}-{observation.kind}-{image.channels}x{image.height}x{image.width}"


PICTURES = list(zip(itertools.cycle(OBSERVATIONS), IMAGES, strict=False))
PRODUCT = [(case, *picture) for case, picture in itertools.product(CASES, PICTURES)]


@pytest.fixture(params=PRODUCT, ids=describe)
def model(request: pytest.FixtureRequest) -> Hierarchical:
    (network, latent), observation, image = request.param
    return build(network, latent, observation, image)


@pytest.fixture(params=CASES, ids=lambda case: describe((case, OBSERVATIONS[0], IMAGES[1])))
def odd(request: pytest.FixtureRequest) -> Hierarchical:
    return build(*request.param, OBSERVATIONS[0], IMAGES[1])


def images(model: Hierarchical) -> torch.Tensor:
    return torch.rand(COUNT, *model.image.shape, generator=seeded(1))


# ---- What every family promises ----


def test_shapes_and_ranges(model: Hierarchical):
    x, size = images(model), model.latent.size
    with torch.no_grad():
        z, terms = model.encode(x), model.terms(x, generator=seeded())
        decoded, far = model.decode(z), model.decode(100 * torch.randn(COUNT, size, generator=seeded()))
        drawn = model.prior().sample(4, seeded())
    assert z.shape == terms.code.shape == terms.kl_dimensions.shape == (COUNT, size)
    assert drawn.shape == (4, size) and torch.isfinite(drawn).all()
    for pictures in (decoded, far):
        assert pictures.shape == x.shape and torch.isfinite(pictures).all()
        assert pictures.min() >= 0 and pictures.max() <= 1
    assert list(terms.kl) == [block.name for block in model.latent.blocks]
    for values in (terms.log_likelihood, *terms.kl.values()):
        assert values.shape == (COUNT,) and values.dtype == torch.float32 and torch.isfinite(values).all()
    assert (terms.kl_dimensions >= 0).all()


def measured(model: Hierarchical, x: torch.Tensor, z: torch.Tensor) -> list[torch.Tensor]:
    """All that is said of images and latents, one row each."""
    q, p = model.posterior(x), model.likelihood(z)
    return [q.mean, q.logvar, q.kl(z), q.log_prob(z), model.prior().log_prob(z), p.mean, p.log_prob(x)]


def test_a_batch_is_its_images_one_by_one(model: Hierarchical):
    x = images(model)
    with torch.no_grad():
        z = model.posterior(x).sample(seeded())
        together = measured(model, x, z)
        for row in range(COUNT):
            here = slice(row, row + 1)
            for alone, everyone in zip(measured(model, x[here], z[here]), together, strict=True):
                torch.testing.assert_close(alone, everyone[here], rtol=1e-4, atol=1e-4)


def test_gradients_reach_every_weight(model: Hierarchical):
    terms = model.terms(images(model), generator=seeded())
    (sum(kl.sum() for kl in terms.kl.values()) - terms.log_likelihood.sum()).backward()
    assert not [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


def test_it_is_what_the_protocols_say(odd: Hierarchical):
    assert isinstance(odd, Codec) and isinstance(odd, LatentModel) and odd.condition is None
    assert MODELS["hierarchical"] is HierarchicalConfig


def test_saved_and_read_it_is_the_same_model(model: Hierarchical, tmp_path: Path):
    name = write_checkpoint(tmp_path / "m.safetensors", model, {})
    read = read_checkpoint(tmp_path / "m.safetensors")
    assert (read.hash, read.model.config) == (name, model.config)
    x = images(model)
    with torch.no_grad():
        for key, weight in model.state_dict().items():
            assert torch.equal(read.model.state_dict()[key], weight)
        # Weights that lie elsewhere in memory may take another road through a convolution.
        ours, theirs = (m.terms(x, generator=seeded()) for m in (model, read.model))
        torch.testing.assert_close(theirs.log_likelihood, ours.log_likelihood)
        torch.testing.assert_close(theirs.kl_dimensions, ours.kl_dimensions, rtol=1e-4, atol=1e-6)


def test_a_condition_is_refused(odd: Hierarchical):
    condition = torch.zeros(COUNT)
    z = torch.zeros(COUNT, odd.latent.size)
    calls = [(odd.encode, images(odd)), (odd.posterior, images(odd)), (odd.terms, images(odd))]
    for call, value in [*calls, (odd.decode, z), (odd.likelihood, z)]:
        with pytest.raises(CapabilityError, match="expected no condition"):
            call(value, condition)
    with pytest.raises(CapabilityError, match="expected no condition"):
        odd.prior(condition)


def test_half_precision_ends_at_the_heads(odd: Hierarchical):
    x = images(odd)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        terms = odd.terms(x, generator=seeded())
    with torch.no_grad():
        exact = odd.terms(x, generator=seeded())
    for name in ("log_likelihood", "kl_dimensions", "code"):
        values = getattr(terms, name)
        assert values.dtype == torch.float32
        torch.testing.assert_close(values, getattr(exact, name), rtol=0.1, atol=0.3)


def test_seeds(odd: Hierarchical):
    x = images(odd)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    with torch.no_grad():
        first, again, other = (odd.terms(x, generator=seeded(s)) for s in (2, 2, 3))
        drawn, redrawn, changed = (odd.prior().sample(3, seeded(s)) for s in (2, 2, 3))
    assert torch.equal(first.code, again.code) and torch.equal(drawn, redrawn)
    for block, cut in odd.latent.slices().items():
        assert not torch.isclose(first.code[:, cut], other.code[:, cut]).any(), block
        assert not torch.isclose(drawn[:, cut], changed[:, cut]).any(), block
    # Every level has noise of its own.
    assert len(first.code.unique()) == first.code.numel()
    assert torch.equal(before, torch.get_rng_state())


# ---- Levels ----


def test_levels_lie_where_the_network_has_steps():
    shapes = {
        (MLP(hidden=(9, 6, 5)), (2, 3)): [(2,), (3,)],
        (Conv(channels=(4, 3)), (3, 2)): [(3,), (2, 7, 7)],
        (Conv(channels=(4, 3)), (3, 2, 1)): [(3,), (2, 7, 7), (1, 14, 14)],
        (Residual(channels=(4, 3, 2), blocks=(1, 1, 1)), (3, 2, 1)): [(3,), (2, 4, 4), (1, 7, 7)],
    }
    for (network, latent), expected in shapes.items():
        blocks = HierarchicalConfig(ImageSpec(1, 28, 28), latent=latent, network=network).build().latent.blocks
        assert [block.shape for block in blocks] == expected
        assert [block.name for block in blocks] == [f"z{number}" for number in range(1, len(latent) + 1)]
        assert all(block.continuous for block in blocks)


def test_residual_blocks_stand_on_both_sides_of_a_latent():
    network = Residual(channels=(3, 4), blocks=(5, 2), hidden=6, head=2)
    model = HierarchicalConfig(ImageSpec(1, 8, 8), latent=(2, 2, 2), network=network).build()
    # Each step of the way down: the blocks of its own stage, a layer to the next, and the first blocks of that.
    found = [[type(layer).__name__ for layer in down] for down in model.decoder.down]
    block = "ResidualBlock"
    assert found == [
        ["SiLU", "Linear", "Unflatten", block],
        [block, "SiLU", "ConvTranspose2d", block, block],
        [block, block, block, "SiLU", "ConvTranspose2d", "SiLU", "Conv2d"],
    ]
    assert [sum(isinstance(layer, ResidualBlock) for layer in up) for up in model.encoder.up] == [5, 2, 0]
    assert [tuple(feature.shape[1:]) for feature in model.encoder(images(model))] == [(6,), (4, 2, 2), (3, 4, 4)]


def test_every_level_is_decoded_as_it_is_given(model: Hierarchical):
    z = torch.randn(2, model.latent.size, generator=seeded())
    with torch.no_grad():
        picture = model.decode(z)
        assert torch.equal(picture, model.likelihood(z).mean)
        for block, cut in model.latent.slices().items():
            other = z.clone()
            other[:, cut] += 1
            assert (model.decode(other) - picture).abs().amax(dim=(1, 2, 3)).min() > 1e-5, block


def test_every_level_sees_the_image_and_the_levels_above(odd: Hierarchical):
    x = images(odd)
    posterior = odd.posterior(x)
    z = posterior.sample(seeded()).detach()
    cuts = list(odd.latent.slices().values())
    for level, cut in enumerate(cuts):
        # Moving one level changes what follows it, and nothing before.
        moved = z.clone()
        moved[:, cut] += 0.5
        changed = (posterior.kl(moved) - posterior.kl(z)).abs().sum(dim=0)
        for other, where in enumerate(cuts):
            assert bool(changed[where].any()) == (other > level)
        # Another image changes every level, with the same latents above it.
        turned = odd.posterior(1 - x).kl(z) - posterior.kl(z)
        assert (turned[:, cut].abs().amax(dim=1) > 1e-6).all()


def test_encoding_is_each_mean_given_the_means_above(odd: Hierarchical):
    x = images(odd)
    posterior = odd.posterior(x)
    z = odd.encode(x)
    assert torch.equal(z, posterior.mean) and posterior.logvar.shape == z.shape
    way = posterior.descend(lambda number, _: list(z.split([b.size for b in odd.latent.blocks], dim=1))[number])
    for level, (block, cut) in zip(way.levels, odd.latent.slices().items(), strict=True):
        torch.testing.assert_close(level.posterior.mean, z[:, cut], msg=block)
        torch.testing.assert_close(level.posterior.logvar, posterior.logvar[:, cut], msg=block)


def test_the_kl_of_a_level_is_that_of_torch_given_the_sample_above(odd: Hierarchical):
    x = images(odd)
    terms = odd.terms(x, generator=seeded())
    sizes = [block.size for block in odd.latent.blocks]
    parts = terms.code.split(sizes, dim=1)
    way = odd.posterior(x).descend(lambda number, _: parts[number])
    logs = {"q": 0.0, "p": 0.0}
    for number, level in enumerate(way.levels):
        q, p = (Normal(normal.mean, normal.stddev) for normal in (level.posterior, level.prior))
        expected = kl_divergence(q, p)
        torch.testing.assert_close(level.kl, expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(terms.kl[f"z{number + 1}"], expected.sum(dim=1), rtol=1e-4, atol=1e-5)
        logs = {
            "q": logs["q"] + q.log_prob(parts[number]).sum(dim=1),
            "p": logs["p"] + p.log_prob(parts[number]).sum(dim=1),
        }
    torch.testing.assert_close(odd.posterior(x).kl(terms.code), terms.kl_dimensions)
    torch.testing.assert_close(odd.posterior(x).log_prob(terms.code), logs["q"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(odd.prior().log_prob(terms.code), logs["p"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(terms.log_likelihood, odd.likelihood(terms.code).log_prob(x))
    # The top's prior is N(0, 1).
    top = odd.latent.slices()["z1"]
    torch.testing.assert_close(
        terms.kl_dimensions[:, top],
        DiagonalNormal(odd.posterior(x).mean[:, top], odd.posterior(x).logvar[:, top]).kl_to_standard(),
    )


def test_without_an_image_a_level_is_its_prior():
    prior = DiagonalNormal(torch.randn(4, 3, generator=seeded()), torch.randn(4, 3, generator=seeded(3)))
    assert Level(prior).posterior == prior
    assert torch.equal(Level(prior).kl, torch.zeros(4, 3))


def test_what_the_encoder_sees_is_not_what_is_scored(odd: Hierarchical):
    x = images(odd)
    seen = 1 - x
    terms = odd.terms(x, generator=seeded(), seen=seen)
    z = odd.posterior(seen).sample(seeded())
    assert torch.equal(terms.code, z)
    torch.testing.assert_close(terms.log_likelihood, odd.likelihood(z).log_prob(x))
    assert torch.equal(terms.posterior.mean, odd.posterior(seen).mean)


def test_images_are_encoded_once(odd: Hierarchical):
    climbed: list[int] = []
    odd.encoder.register_forward_hook(lambda *_: climbed.append(1))
    posterior = odd.posterior(images(odd))
    z = posterior.sample(seeded())
    assert not torch.equal(z, posterior.sample(seeded(3)))
    posterior.log_prob(z), posterior.kl(z), posterior.logvar
    assert climbed == [1]
    assert posterior.mean is posterior.mean


def test_a_new_model_has_standard_normal_priors():
    for network, latent in CASES:
        model = HierarchicalConfig(IMAGES[1], latent=latent, network=network).build()
        z = torch.randn(4, model.latent.size, generator=seeded())
        torch.testing.assert_close(model.prior().log_prob(z), StandardNormal(model.latent.size).log_prob(z))


def test_there_is_no_closed_kl_to_a_standard_normal(odd: Hierarchical):
    with pytest.raises(CapabilityError, match=r"terms\(x\)\.kl_dimensions has its KL, and the family 'vae'"):
        odd.posterior(images(odd)).kl_to_standard()


def test_log_variances_run_out():
    """However large a head's numbers are, everything stays finite."""
    model = build(*CASES[0], OBSERVATIONS[0], IMAGES[0])
    with torch.no_grad():
        for head in (*model.to_posterior, *model.to_prior):
            head.body[-1].bias.copy_(1e4 * torch.randn(head.body[-1].bias.shape, generator=seeded()))
        posterior = model.posterior(images(model))
        assert posterior.logvar.abs().max() <= 20 and torch.isfinite(posterior.sample(seeded())).all()


def test_a_page_can_run_the_decoder(odd: Hierarchical):
    program = trace_program(odd)
    assert program.inputs[0]["size"] == odd.latent.size


# ---- The prior ----


def test_levels_can_be_held(odd: Hierarchical):
    prior, cuts = odd.prior(), odd.latent.slices()
    with torch.no_grad():
        free = prior.sample(6, seeded())
        for name, cut in cuts.items():
            size = odd.latent.slices()[name].stop - cut.start
            value = torch.randn(6, size, generator=seeded(9))
            held = prior.sample(6, seeded(), held={name: value})
            assert torch.equal(held[:, cut], value)
            # Levels above are as without it, those below are drawn to suit it.
            assert torch.equal(held[:, : cut.start], free[:, : cut.start])
            assert not torch.isclose(held[:, cut.stop :], free[:, cut.stop :]).any()
        everything = {name: free[:, cut] for name, cut in cuts.items()}
        assert torch.equal(prior.sample(6, seeded(5), held=everything), free)
    with pytest.raises(UnknownNameError, match="unknown latent block 'z9'; known: z1, z2"):
        prior.sample(6, held={"z9": value})
    with pytest.raises(DataError, match=rf"held z1: expected shape \(5, {cuts['z1'].stop}\), got \(6, "):
        prior.sample(5, held={"z1": free[:, cuts["z1"]]})


def test_temperature_scales_what_is_drawn(odd: Hierarchical):
    prior, top = odd.prior(), odd.latent.slices()["z1"]
    with torch.no_grad():
        cold, cool, warm = (prior.sample(6, seeded(), temperature=t) for t in (0.0, 0.5, 1.0))
        assert torch.equal(warm, prior.sample(6, seeded()))
        torch.testing.assert_close(cool[:, top], 0.5 * warm[:, top])
        assert torch.equal(cold[:, top], torch.zeros_like(cold[:, top]))
        means = prior.descend(lambda _, level: level.prior.mean, 6).flat
        torch.testing.assert_close(cold, means)
        assert (means[:, top.stop :].abs() > 1e-4).all()
        # With the same levels above, each level's deviation from its mean is half as large.
        held = {name: warm[:, cut] for name, cut in list(odd.latent.slices().items())[:-1]}
        last = list(odd.latent.slices().values())[-1]
        still, half, full = (prior.sample(6, seeded(), held=held, temperature=t)[:, last] for t in (0.0, 0.5, 1.0))
        torch.testing.assert_close(half - still, 0.5 * (full - still), rtol=1e-4, atol=1e-6)


# ---- By integration: two levels of one value each ----

LINE = torch.linspace(-9, 9, 361, dtype=torch.float64)
GRID = torch.cartesian_prod(LINE, LINE)
CELL = float(LINE[1] - LINE[0]) ** 2


@pytest.fixture(scope="module")
def small() -> Hierarchical:
    torch.manual_seed(4)
    config = HierarchicalConfig(ImageSpec(1, 3, 3), latent=(1, 1), network=MLP(hidden=(7, 6), activation="tanh"))
    model = config.build().double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(1.3 * weight + 0.3 * torch.randn(weight.shape))
    return model


@torch.no_grad()
def test_prior_and_posterior_are_densities(small: Hierarchical):
    x = torch.rand(1, 1, 3, 3, generator=seeded(), dtype=torch.float64)
    q = small.posterior(x.expand(len(GRID), 1, 3, 3)).log_prob(GRID).exp()
    p = small.prior().log_prob(GRID).exp()
    assert float(q.sum() * CELL) == pytest.approx(1, abs=1e-6)
    assert float(p.sum() * CELL) == pytest.approx(1, abs=1e-6)
    many = small.posterior(x.expand(50_000, 1, 3, 3)).sample(seeded())
    for density, drawn in ((q, many), (p, small.prior().sample(50_000, seeded(1)))):
        for measure in (lambda z: z[:, 0], lambda z: z[:, 1], lambda z: z[:, 0] * z[:, 1], lambda z: z[:, 1] ** 2):
            exact = float((density * measure(GRID)).sum() * CELL)
            found = measure(drawn)
            assert abs(float(found.mean()) - exact) < 4.5 * float(found.std()) / math.sqrt(len(found))
    # The levels hang together, or the test would be of two separate normals.
    assert abs(float((p * GRID[:, 0] * GRID[:, 1]).sum() * CELL)) > 0.05


@torch.no_grad()
def test_the_bound_is_below_the_evidence_by_the_kl_to_the_true_posterior(small: Hierarchical):
    for x in torch.rand(3, 1, 1, 3, 3, generator=seeded(), dtype=torch.float64):
        everywhere = x.expand(len(GRID), 1, 3, 3)
        joint = small.likelihood(GRID).log_prob(everywhere) + small.prior().log_prob(GRID)
        evidence = float(torch.logsumexp(joint, 0)) + math.log(CELL)
        log_q = small.posterior(everywhere).log_prob(GRID)
        gap = float((log_q.exp() * CELL * (log_q - (joint - evidence))).sum())
        assert gap > 1e-3
        many = x.expand(20_000, 1, 3, 3)
        terms = small.terms(many, generator=seeded(3))
        drawn = terms.log_likelihood - sum(terms.kl.values())
        assert abs(float(drawn.mean()) - (evidence - gap)) < 4 * float(drawn.std()) / math.sqrt(len(drawn))
        # Importance weights of the same three distributions meet the evidence.
        z = terms.code
        weights = small.likelihood(z).log_prob(many) + small.prior().log_prob(z) - small.posterior(many).log_prob(z)
        bound = float(torch.logsumexp(weights, 0)) - math.log(len(weights))
        error = float(weights.exp().std() / weights.exp().mean()) / math.sqrt(len(weights))
        assert abs(bound - evidence) < 4 * error


@torch.no_grad()
def test_a_held_level_leaves_the_conditional_of_those_below(small: Hierarchical):
    top = torch.full((40_000, 1), 1.2, dtype=torch.float64)
    drawn = small.prior().sample(40_000, seeded(), held={"z1": top})
    assert torch.equal(drawn[:, :1], top)
    z = torch.stack([torch.full_like(LINE, 1.2), LINE], dim=1)
    density = small.prior().log_prob(z).exp()
    density = density / density.sum()
    mean = float((density * LINE).sum())
    deviation = math.sqrt(float((density * (LINE - mean) ** 2).sum()))
    assert abs(float(drawn[:, 1].mean()) - mean) < 4 * deviation / 200
    assert float(drawn[:, 1].std()) == pytest.approx(deviation, rel=0.02)
    assert abs(mean) > 0.05


# ---- Against plain NumPy ----


def numpy_terms(
    weights: dict[str, np.ndarray], x: np.ndarray, noise: Sequence[np.ndarray]
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Latents, KL a level and BCE of two levels on MLP(hidden=(7, 6), activation="tanh"), as a paper would write it."""

    def layer(name: str, values: np.ndarray) -> np.ndarray:
        return values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def split(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, logvar = np.split(values, 2, axis=1)
        return mean, 10 * np.tanh(logvar / 10)

    flat = x.reshape(len(x), -1)
    low = layer("encoder.up.0.1", flat)
    high = layer("encoder.up.1.1", np.tanh(low))
    mean1, logvar1 = split(layer("to_posterior.0.body.1", np.tanh(high)))
    z1 = mean1 + np.exp(logvar1 / 2) * noise[0]
    kl1 = 0.5 * (mean1**2 + np.exp(logvar1) - 1 - logvar1)
    context = layer("decoder.down.0.1", np.tanh(layer("decoder.enter.0", z1)))
    prior_mean, prior_logvar = split(layer("to_prior.0.body.1", np.tanh(context)))
    joint = np.tanh(layer("to_posterior.1.body.1", np.tanh(np.concatenate([low, context], axis=1))))
    shift, change = split(layer("to_posterior.1.body.3", joint))
    mean2, logvar2 = prior_mean + np.exp(prior_logvar / 2) * shift, prior_logvar + change
    z2 = mean2 + np.exp(logvar2 / 2) * noise[1]
    variance = np.exp(prior_logvar)
    kl2 = 0.5 * (np.exp(logvar2) / variance + (mean2 - prior_mean) ** 2 / variance - 1 + prior_logvar - logvar2)
    logits = layer("decoder.down.1.1", np.tanh(context + layer("decoder.enter.1", z2)))
    p = 1 / (1 + np.exp(-logits))
    bce = -(flat * np.log(p) + (1 - flat) * np.log(1 - p)).sum(axis=1)
    return np.concatenate([z1, z2], axis=1), [kl1.sum(axis=1), kl2.sum(axis=1)], bce


@pytest.fixture
def plain() -> Hierarchical:
    model = build(MLP(hidden=(7, 6), activation="tanh"), (2, 3), OBSERVATIONS[0], IMAGES[0])
    return model.double()


def noises() -> list[np.ndarray]:
    generator = seeded(11)
    return [torch.randn(COUNT, size, generator=generator, dtype=torch.float64).numpy() for size in (2, 3)]


def test_the_terms_are_those_of_plain_numpy(plain: Hierarchical):
    x = images(plain).double()
    weights = {name: tensor.numpy() for name, tensor in plain.state_dict().items()}
    latents, kl, bce = numpy_terms(weights, x.numpy(), noises())
    terms = plain.terms(x, generator=seeded(11))
    for ours, expected in ((terms.code, latents), (terms.kl["z1"], kl[0]), (terms.kl["z2"], kl[1])):
        np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(-terms.log_likelihood.detach().numpy(), bce, rtol=0, atol=1e-9)
    central, _, _ = numpy_terms(weights, x.numpy(), [np.zeros_like(noise) for noise in noises()])
    np.testing.assert_allclose(plain.encode(x).detach().numpy(), central, rtol=0, atol=1e-9)
    assert min(part.min() for part in kl) > 1e-3


def test_the_gradient_is_that_of_central_differences_in_numpy(plain: Hierarchical):
    x = images(plain).double()
    ELBO()(plain.terms(x, generator=seeded(11)), epoch=0.0).total.mean().backward()
    weights = {name: tensor.detach().numpy().copy() for name, tensor in plain.state_dict().items()}

    def loss() -> float:
        _, kl, bce = numpy_terms(weights, x.numpy(), noises())
        return float((bce + sum(kl)).mean())

    generator, step = np.random.default_rng(1), 1e-5
    for name, parameter in plain.named_parameters():
        values, gradient = weights[name].reshape(-1), parameter.grad.numpy().reshape(-1)
        for index in generator.choice(values.size, size=3, replace=False):
            before = values[index]
            values[index] = before + step
            above = loss()
            values[index] = before - step
            below = loss()
            values[index] = before
            assert gradient[index] == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-8), (name, index)


# ---- Learning ----


def test_it_comes_close_to_the_evidence_of_planted_normal_images():
    """Images 1/2 + Wz + noise with z ~ N(0, 1): their evidence is exact, and no model can do better."""
    generator = seeded()
    directions = 0.1 * torch.randn(9, 2, generator=generator)
    sigma = 0.1

    def draw(count: int) -> torch.Tensor:
        z, noise = torch.randn(count, 2, generator=generator), torch.randn(count, 9, generator=generator)
        return (0.5 + z @ directions.T + sigma * noise).reshape(-1, 1, 3, 3)

    planted = torch.distributions.MultivariateNormal(
        torch.full((9,), 0.5), directions @ directions.T + sigma**2 * torch.eye(9)
    )
    torch.manual_seed(0)
    network = MLP(hidden=(32, 32), activation="silu")
    config = HierarchicalConfig(ImageSpec(1, 3, 3), latent=(1, 2), network=network, likelihood=Observation("gaussian"))
    model = config.build()
    optimizer = torch.optim.Adam(model.parameters())
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 + math.cos(math.pi * step / 300))
        optimizer.zero_grad()
        ELBO()(model.terms(draw(128), generator=generator), epoch=0.0).total.mean().backward()
        optimizer.step()
    with torch.no_grad():
        x = draw(4_000)
        terms = model.terms(x, generator=generator)
        bound = terms.log_likelihood - sum(terms.kl.values())
        missing = planted.log_prob(x.flatten(1)) - bound
        error = float(missing.std()) / math.sqrt(len(missing))
        assert -3 * error < float(missing.mean()) < 0.2
        assert min(float(kl.mean()) for kl in terms.kl.values()) > 0.3
        # Without the latent it would miss far more.
        still = torch.distributions.Normal(0.5, x.std(dim=0)).log_prob(x).flatten(1).sum(dim=1)
        assert float((planted.log_prob(x.flatten(1)) - still).mean()) > 1.5


# ---- Configurations ----


def test_a_configuration_is_read_from_its_plain_form():
    for network, latent in CASES:
        config = HierarchicalConfig(IMAGES[0], latent=latent, network=network)
        assert schema.read(ModelConfig, schema.plain(config)) == (config, [])
        assert config.convolutions == (not isinstance(network, MLP))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"latent": (3,)}, "latent: expected 2 to 64 numbers, got 1"),
        ({"latent": ()}, "latent: expected 2 to 64 numbers, got 0"),
        ({"latent": (3, 0)}, r"latent: expected numbers from 1 to 65536, got \[3, 0\]"),
        ({"latent": (3, 10**12)}, "latent: expected numbers from 1 to 65536"),
        ({"image": ImageSpec(1, 4097, 4)}, "image: expected sides of at most 4096"),
        ({"network": MLP(hidden=(5,))}, "latent: expected at most 1 levels with a network of 1 hidden layers, got 2"),
        (
            {"network": Conv(channels=(4,)), "latent": (3, 2, 1)},
            "latent: expected at most 2 levels with a network of 1 stages, got 3; give it more",
        ),
    ],
)
def test_configurations_that_cannot_be(options: dict, says: str):
    with pytest.raises(ValueError, match=says):
        HierarchicalConfig(**{"image": ImageSpec(1, 4, 4), **options})


def test_too_many_values_are_refused_before_they_are_made():
    config = HierarchicalConfig(ImageSpec(1, 512, 512), latent=(4, 8), network=Conv(channels=(4,)))
    with torch.device("meta"), pytest.raises(ValueError, match="latent: expected at most 65536 values in all levels"):
        config.build()
