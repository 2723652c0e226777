"""One contract for every family, network and likelihood, on images of odd sizes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from latentlab.checkpoints import read_checkpoint, write_checkpoint
from latentlab.codec import Codec, ImageSpec, LatentModel
from latentlab.distributions import LIKELIHOODS
from latentlab.errors import CapabilityError
from latentlab.models import MODELS, AdoptedConfig
from latentlab.models.lossy import Flow
from latentlab.nn import MLP, NETWORKS, Conv, Residual
from latentlab.nn.autoregressive import Autoregressive
from latentlab.nn.grid import Grid
from latentlab.nn.layer import ActivationLayer, LinearLayer, ShapeLayer
from latentlab.nn.observation import Observation
from latentlab.nn.raster import Raster

# Those that a recipe can name, and those of models that were trained elsewhere.
ADOPTED = ("adopted", "adopted-conditional", "adopted-codes")
FAMILIES: dict[str, Any] = {**MODELS, **dict.fromkeys(ADOPTED, AdoptedConfig)}
LATENT = 3
COUNT = 5

# Activations without a dead half: so few units may all be off behind a ReLU.
NETWORK_CASES: dict[str, list[Any]] = {
    "mlp": [MLP(hidden=(6, 5), activation="gelu"), MLP(hidden=())],
    "conv": [Conv(channels=(4, 3), hidden=6, activation="silu"), Conv(channels=(4,), hidden=0, activation="elu")],
    "residual": [
        Residual(channels=(4, 3), blocks=(1, 2), hidden=6, head=4),
        Residual(channels=(3,), blocks=(0,), hidden=0, head=2),
    ],
}
OBSERVATIONS = [*(Observation(name) for name in LIKELIHOODS), Observation("gaussian", "learned")]
IMAGES = [ImageSpec(1, 4, 4), ImageSpec(1, 7, 5), ImageSpec(3, 9, 6), ImageSpec(3, 3, 11)]
ODD = IMAGES[1]


@dataclass(frozen=True)
class Case:
    """A family with a configuration, on images of one size; `name` tells it from the others."""

    family: str
    image: ImageSpec
    name: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        image = f"{self.image.channels}x{self.image.height}x{self.image.width}"
        return "-".join(filter(None, (self.family, self.name, image)))


def networked(family: str, image: ImageSpec) -> list[Case]:
    """A family that leaves the choice of a network and a likelihood: each with each."""
    cases = []
    for network, observation in itertools.product(itertools.chain(*NETWORK_CASES.values()), OBSERVATIONS):
        size = len(getattr(network, "channels", getattr(network, "hidden", ())))
        sigma = f"-{observation.sigma}" if observation.kind == "gaussian" else ""
        name = f"{network.kind}{size}-{observation.kind}{sigma}"
        cases.append(Case(family, image, name, {"latent": LATENT, "network": network, "likelihood": observation}))
    return cases


def layered(image: ImageSpec, latent: int = LATENT, more: int = 0) -> dict[str, Any]:
    """Layers of a model that was trained elsewhere, whose networks take so many numbers more than image and latent."""
    gelu, hidden = ActivationLayer(name="gelu"), 6
    return {
        "encoder": (ShapeLayer(), LinearLayer(inputs=image.size + more, outputs=hidden), gelu),
        "mean": (LinearLayer(inputs=hidden, outputs=latent),),
        "logvar": (LinearLayer(inputs=hidden, outputs=latent),),
        "decoder": (
            ShapeLayer(),
            LinearLayer(inputs=latent + more, outputs=hidden),
            gelu,
            LinearLayer(inputs=hidden, outputs=image.size),
            ShapeLayer(shape=image.shape),
        ),
        "latent": (latent,),
    }


def of_family(family: str, image: ImageSpec) -> list[Case]:
    """The cases of a family on one size of image. Those that choose more than these have tests of their own."""
    small = {"network": MLP(hidden=(6, 5), activation="gelu"), "likelihood": Observation("bernoulli")}
    own: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "pca": [("", {"latent": LATENT})],
        "hierarchical": [("mlp", {**small, "latent": (2, 1)})],
        "lossy": [
            (
                "mlp",
                {
                    **small,
                    "latent": LATENT,
                    "raster": Raster(kernel=3, inner=1, blocks=1, channels=6),
                    "prior": Flow(2, (8,)),
                },
            )
        ],
        "conditional": [
            ("class", {**small, "latent": LATENT - 2, "classes": ("a", "b"), "head": 5}),
            ("attributes", {**small, "latent": LATENT - 2, "condition": ("a", "b"), "head": 5}),
        ],
        "vq": [
            (
                "grid",
                {
                    "codes": 7,
                    "dimension": 3,
                    "network": Grid(channels=(4,), blocks=1),
                    "prior": Autoregressive(width=8, layers=1, heads=2),
                },
            )
        ],
    }
    plain, told = layered(image), layered(image, LATENT - 2, more=2)
    pixels = {"takes": "signed", "gives": "signed", "likelihood": Observation("gaussian", 1.0)}
    own |= {
        "adopted": [("logits", plain), ("pixels", {**plain, **pixels})],
        "adopted-conditional": [
            ("told", {**told, "classes": ("a", "b")}),
            ("decoder", {**told, **pixels, "encoder": plain["encoder"], "classes": ("a", "b"), "told": False}),
        ],
        "adopted-codes": [("row", {**plain, "logvar": (), "latent": (1, LATENT), "codes": 7})],
    }
    if family in own:
        return [Case(family, image, name, options) for name, options in own[family]]
    return networked(family, image)


CASES = [case for family, image in itertools.product(FAMILIES, IMAGES) for case in of_family(family, image)]

# What families do not have, or do otherwise.
WITHOUT_POSTERIOR = {"autoencoder"}
WITHOUT_CHANCE = {"autoencoder", "vq", "adopted-codes"}
WITHOUT_VARIANCE = {*WITHOUT_CHANCE, "conditional", "adopted-conditional"}
WITH_CONDITION = {"conditional", "adopted-conditional"}
STANDARD_PRIOR = {"vae", "pca", "adopted"}
KL_BY_SAMPLES = {"lossy"}


def build(case: Case) -> Any:
    torch.manual_seed(0)
    model = FAMILIES[case.family](case.image, **case.options).build()
    # Residual blocks begin as the identity; a contract is about weights as training leaves them.
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
    return model.eval()


def family_of(model: Any) -> str:
    family = model.config.family
    if family != "adopted":
        return family
    return "adopted-codes" if model.config.codes else "adopted-conditional" if model.config.classes else family


@pytest.fixture(params=CASES, ids=str)
def model(request: pytest.FixtureRequest) -> Any:
    return build(request.param)


@pytest.fixture(params=[case for case in CASES if case.image == ODD], ids=str)
def odd(request: pytest.FixtureRequest) -> Any:
    """Every model, on one odd image size: for what has nothing to do with sizes."""
    return build(request.param)


def images(model: Any) -> torch.Tensor:
    return torch.rand(COUNT, *model.image.shape, generator=torch.Generator().manual_seed(1))


def seeded(seed: int = 2) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_shapes_and_ranges(model: Any):
    x = images(model)
    with torch.no_grad():
        z = model.encode(x)
        decoded = model.decode(z)
        far = model.decode(100 * torch.randn(COUNT, model.latent.size, generator=seeded()))
        terms = model.terms(x, generator=seeded())
    assert z.shape == terms.code.shape == (COUNT, model.latent.size)
    assert model.latent.size == LATENT or not model.latent.continuous
    assert decoded.shape == x.shape
    for pictures in (decoded, far):
        assert torch.isfinite(pictures).all() and pictures.min() >= 0 and pictures.max() <= 1
    for values in (terms.log_likelihood, *terms.kl.values(), *terms.auxiliary.values()):
        assert values.shape == (COUNT,) and values.dtype == torch.float32 and torch.isfinite(values).all()
    assert family_of(model) in KL_BY_SAMPLES or all((kl >= 0).all() for kl in terms.kl.values())
    if terms.kl_dimensions is not None:
        assert terms.kl_dimensions.shape == z.shape
        torch.testing.assert_close(terms.kl_dimensions.sum(dim=1), torch.stack(list(terms.kl.values())).sum(dim=0))


def test_a_batch_is_its_images_one_by_one(model: Any):
    x = images(model)
    with torch.no_grad():
        z = model.encode(x)
        together = model.likelihood(z).log_prob(x)
        for row in range(COUNT):
            alone = model.encode(x[row : row + 1])
            torch.testing.assert_close(alone, z[row : row + 1], rtol=1e-4, atol=1e-5)
            decoded = model.decode(z[row : row + 1])
            torch.testing.assert_close(decoded, model.decode(z)[row : row + 1], rtol=1e-4, atol=1e-5)
            score = model.likelihood(z[row : row + 1]).log_prob(x[row : row + 1])
            torch.testing.assert_close(score, together[row : row + 1], rtol=1e-4, atol=1e-3)


def test_gradients_reach_every_weight(model: Any):
    terms = model.terms(images(model), generator=seeded())
    (sum(kl.sum() for kl in terms.kl.values()) - terms.log_likelihood.sum()).backward()
    without = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not without
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


def test_it_is_what_the_protocols_say(odd: Any):
    assert isinstance(odd, Codec)
    assert (odd.condition is None) == (family_of(odd) not in WITH_CONDITION)
    assert isinstance(odd, LatentModel)
    assert isinstance(odd.config, FAMILIES[family_of(odd)])


def test_encoding_is_the_posterior_mean_and_needs_no_seed(odd: Any):
    x = images(odd)
    assert torch.equal(odd.encode(x), odd.encode(x))
    if family_of(odd) in WITHOUT_POSTERIOR:
        return
    posterior, size = odd.posterior(x), odd.latent.size
    assert torch.equal(odd.encode(x), posterior.mean)
    assert posterior.mean.shape == (COUNT, size)
    if family_of(odd) not in WITHOUT_VARIANCE:
        assert posterior.logvar.shape == (COUNT, size)
    assert odd.prior().sample(4, seeded()).shape == (4, size)


def test_decoding_is_the_mean_of_the_likelihood(odd: Any):
    z = torch.randn(COUNT, odd.latent.size, generator=seeded())
    likelihood = odd.likelihood(z)
    assert torch.equal(odd.decode(z), likelihood.mean)
    assert likelihood.sample(seeded()).shape == (COUNT, *odd.image.shape)


def test_the_terms_are_of_the_same_distributions(odd: Any):
    x = images(odd)
    terms = odd.terms(x, generator=seeded())
    if family_of(odd) in WITHOUT_POSTERIOR:
        assert terms.kl == {} and terms.posterior is None
        assert torch.equal(terms.code, odd.encode(x))
    else:
        posterior = odd.posterior(x)
        assert list(terms.kl) == [block.name for block in odd.latent.blocks]
        torch.testing.assert_close(terms.code, posterior.sample(seeded()))
        if family_of(odd) in STANDARD_PRIOR:
            torch.testing.assert_close(terms.kl["z"], posterior.kl_to_standard().sum(dim=1))
    torch.testing.assert_close(terms.log_likelihood, odd.likelihood(terms.code).log_prob(x))


@torch.no_grad()
def test_the_encoder_sees_what_it_is_shown_and_is_scored_on_the_image(odd: Any):
    x = images(odd)
    other = x.flip(0)
    terms = odd.terms(x, generator=seeded(), seen=other)
    torch.testing.assert_close(terms.code, odd.terms(other, generator=seeded()).code)
    torch.testing.assert_close(terms.log_likelihood, odd.likelihood(terms.code).log_prob(x))


def test_the_same_seed_gives_the_same_sample_and_another_another(odd: Any):
    x = images(odd)
    with torch.no_grad():
        first, again, other = (odd.terms(x, generator=seeded(s)).log_likelihood for s in (2, 2, 3))
        z = torch.zeros(COUNT, odd.latent.size)
        drawn, redrawn, changed = (odd.likelihood(z).sample(seeded(s)) for s in (2, 2, 3))
    assert torch.equal(first, again) and torch.equal(drawn, redrawn)
    assert not torch.equal(drawn, changed)
    assert torch.equal(first, other) == (family_of(odd) in WITHOUT_CHANCE)


def test_saved_and_read_it_is_the_same_model(odd: Any, tmp_path: Path):
    name = write_checkpoint(tmp_path / "m.safetensors", odd, {"name": "contract"})
    read = read_checkpoint(tmp_path / "m.safetensors")
    assert (read.hash, read.about, read.model.config) == (name, {"name": "contract"}, odd.config)
    assert not read.model.training and not any(weight.requires_grad for weight in read.model.parameters())
    x = images(odd)
    with torch.no_grad():
        assert torch.equal(read.model.encode(x), odd.encode(x))
        ours, theirs = (m.terms(x, generator=seeded()).log_likelihood for m in (odd, read.model))
        assert torch.equal(ours, theirs)


def test_a_condition_is_refused(odd: Any):
    if family_of(odd) in WITH_CONDITION:
        return
    condition = torch.zeros(COUNT)
    x, z = images(odd), torch.zeros(COUNT, odd.latent.size)
    calls = [odd.encode, odd.decode, odd.likelihood, odd.terms]
    calls += [] if family_of(odd) in WITHOUT_POSTERIOR else [odd.posterior]
    for call in calls:
        with pytest.raises(CapabilityError, match="expected no condition"):
            call(z if call in (odd.decode, odd.likelihood) else x, condition)


def test_an_autoencoder_says_who_has_distributions():
    model = MODELS["autoencoder"](ImageSpec(1, 4, 4)).build()
    for call in (lambda: model.posterior(images(model)), model.prior):
        with pytest.raises(CapabilityError, match="family 'vae'"):
            call()


@pytest.mark.parametrize("family", ["vae", "autoencoder", "pca", "lossy", "conditional"])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"latent": 0}, "latent: expected 1 to 65536, got 0"),
        ({"latent": 10**12}, "latent: expected 1 to 65536"),
        ({"image": ImageSpec(1, 4097, 4)}, "image: expected sides of at most 4096"),
    ],
)
def test_sizes_that_no_model_has(family: str, options: dict, says: str):
    with pytest.raises(ValueError, match=says):
        MODELS[family](**{"image": ImageSpec(1, 4, 4), **options})


def test_an_image_too_small_for_its_network_is_refused_with_the_way_out():
    config = MODELS["vae"](ImageSpec(1, 4, 4), network=Conv(channels=(4, 4, 4)))
    with pytest.raises(ValueError, match="at most 2 stages for 4×4 grey images, got 3"):
        config.build()


def test_every_family_and_network_is_in_the_contract():
    assert {case.family for case in CASES} == set(FAMILIES)
    assert set(NETWORK_CASES) == set(NETWORKS)
