"""The contract of the VQ-VAE, and what is its own: codes, a learned prior, a bound, embeddings."""

from __future__ import annotations

import itertools
import math
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from latentlab.checkpoints import read_checkpoint, write_checkpoint
from latentlab.codec import Codec, ImageSpec, LatentModel
from latentlab.distributions import LIKELIHOODS
from latentlab.errors import CapabilityError
from latentlab.models import MODELS, VQ, VQConfig
from latentlab.models.embedded import Embedded
from latentlab.nn.autoregressive import Autoregressive
from latentlab.nn.grid import Grid
from latentlab.nn.observation import Observation
from latentlab.objectives import ELBO
from latentlab.training import CHECKPOINT, Interrupted, build_recipe, train
from latentlab.training.loop import LAST, STATE

COUNT = 5
CODES = 7
SMALL = Autoregressive(width=8, layers=1, heads=2)
NETWORKS = [Grid(channels=(4,), blocks=1), Grid(channels=(4, 6), blocks=0, activation="gelu")]
OBSERVATIONS = [*(Observation(name) for name in LIKELIHOODS), Observation("gaussian", "learned")]
IMAGES = [ImageSpec(1, 4, 4), ImageSpec(1, 7, 5), ImageSpec(3, 9, 6), ImageSpec(3, 3, 11)]


def build(image: ImageSpec = IMAGES[1], network: Grid = NETWORKS[0], **options: Any) -> VQ:
    torch.manual_seed(0)
    settings = {"codes": CODES, "dimension": 3, "prior": SMALL, **options}
    model = VQConfig(image, network=network, **settings).build()
    # Residual blocks begin as the identity; a contract is about weights as training leaves them.
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
        # And about codes that lie where the encoder puts images, so that several are chosen.
        vectors = model._places(model._vectors(images(model, 40)))
        model.quantizer.codebook.copy_(vectors[torch.linspace(0, len(vectors) - 1, model.config.codes).long()])
    return model.eval()


def images(model: Any, count: int = COUNT) -> torch.Tensor:
    return torch.rand(count, *model.image.shape, generator=seeded(1))


def seeded(seed: int = 2) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def describe(case: Any) -> str:
    network, observation, image = case
    sigma = f"-{observation.sigma}" if observation.kind == "gaussian" else ""
    return f"{len(network.channels)}-{observation.kind}{sigma}-{image.channels}x{image.height}x{image.width}"


@pytest.fixture(params=list(itertools.product(NETWORKS, OBSERVATIONS, IMAGES)), ids=describe)
def model(request: pytest.FixtureRequest) -> VQ:
    network, observation, image = request.param
    return build(image, network, likelihood=observation)


@pytest.fixture
def odd() -> VQ:
    return build()


def test_shapes_and_ranges(model: VQ):
    x = images(model)
    size = model.config.latent
    with torch.no_grad():
        z = model.encode(x)
        far = model.decode(100 * torch.randn(COUNT, size, generator=seeded()))
        decoded = model.decode(z)
        terms = model.terms(x, generator=seeded())
    assert model.latent.size == size == math.prod(model.grid) and not model.latent.continuous
    assert z.shape == (COUNT, size) and z.dtype == torch.float32
    assert torch.equal(z, z.round()) and z.min() >= 0 and z.max() < CODES
    for pictures in (decoded, far):
        assert pictures.shape == x.shape
        assert torch.isfinite(pictures).all() and pictures.min() >= 0 and pictures.max() <= 1
    for values in (terms.log_likelihood, *terms.kl.values(), *terms.auxiliary.values()):
        assert values.shape == (COUNT,) and values.dtype == torch.float32 and torch.isfinite(values).all()
    assert list(terms.kl) == ["codes"] and (terms.kl["codes"] >= 0).all()
    assert terms.kl_dimensions.shape == (COUNT, size)
    torch.testing.assert_close(terms.kl_dimensions.sum(dim=1), terms.kl["codes"])
    assert torch.equal(terms.code, z) and torch.equal(terms.posterior.mean, z)


def test_several_codes_are_chosen_in_these_tests(odd: VQ):
    assert len(odd.encode(images(odd)).unique()) > 3


@torch.no_grad()
def test_a_batch_is_its_images_one_by_one(model: VQ):
    x = images(model)
    z = model.encode(x)
    whole = model.terms(x)
    for row in range(COUNT):
        assert torch.equal(model.encode(x[row : row + 1]), z[row : row + 1])
        alone = model.terms(x[row : row + 1])
        torch.testing.assert_close(alone.log_likelihood, whole.log_likelihood[row : row + 1], rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(alone.kl["codes"], whole.kl["codes"][row : row + 1], rtol=1e-4, atol=1e-4)
        decoded = model.decode(z[row : row + 1])
        torch.testing.assert_close(decoded, model.decode(z)[row : row + 1], rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_weight(model: VQ):
    terms = model.train().terms(images(model), generator=seeded())
    ELBO()(terms, 0.0).total.sum().backward()
    without = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    # Of a single code there is nothing before it to look at.
    parts = ("embedding", "to_attention", "before_attention") if model.latent.size == 1 else ()
    assert not [name for name in without if not any(part in name for part in parts)]
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters() if weight.grad is not None)


def test_it_is_what_the_protocols_say(odd: VQ):
    assert isinstance(odd, Codec) and isinstance(odd, LatentModel)
    assert odd.condition is None and MODELS["vq"] is VQConfig
    (block,) = odd.latent.blocks
    assert (block.name, block.shape, block.codes) == ("codes", (4, 3), CODES)


def test_the_terms_are_of_the_same_distributions(odd: VQ):
    x = images(odd)
    terms = odd.terms(x)
    z = odd.encode(x)
    assert torch.equal(z, odd.posterior(x).mean) and torch.equal(z, odd.posterior(x).sample(seeded()))
    torch.testing.assert_close(terms.log_likelihood, odd.likelihood(z).log_prob(x))
    torch.testing.assert_close(terms.kl["codes"], -odd.prior().log_prob(z))
    torch.testing.assert_close(terms.kl_dimensions, -odd.prior().log_probs(z))
    assert torch.equal(odd.decode(z), odd.likelihood(z).mean)
    # What the encoder sees in place of x decides the codes, and x is what is scored.
    other = odd.terms(x, seen=x.flip(0))
    assert torch.equal(other.code, z.flip(0))
    torch.testing.assert_close(other.log_likelihood, odd.likelihood(z.flip(0)).log_prob(x))


def test_nothing_is_drawn_while_it_is_scored(odd: VQ):
    x = images(odd)
    before = {name: tensor.clone() for name, tensor in odd.state_dict().items()}
    first, other = (odd.terms(x, generator=seeded(seed)) for seed in (2, 3))
    assert torch.equal(first.log_likelihood, other.log_likelihood)
    assert all(torch.equal(tensor, before[name]) for name, tensor in odd.state_dict().items())


def test_the_prior_draws_codes_by_its_seed(odd: VQ):
    first, again, other = (odd.prior().sample(40, seeded(seed)) for seed in (2, 2, 3))
    assert first.shape == (40, odd.latent.size)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(first, first.round()) and first.min() >= 0 and first.max() < CODES
    assert odd.decode(first).shape == (40, *odd.image.shape)


@torch.no_grad()
def test_the_bound_is_below_the_evidence_by_what_the_true_posterior_gives_other_codes():
    """Of 3⁴ latents the evidence is a sum: log p(x) − ELBO = −log p(k|x)."""
    model = build(IMAGES[0], codes=3)
    latents = torch.tensor(list(itertools.product(range(3), repeat=4)), dtype=torch.float32)
    for x in images(model)[:, None]:
        joint = model.likelihood(latents).log_prob(x.expand(81, *x.shape[1:])) + model.prior().log_prob(latents)
        evidence = torch.logsumexp(joint.double(), dim=0)
        terms = model.terms(x)
        elbo = (terms.log_likelihood - terms.kl["codes"]).double()
        chosen = (latents == terms.code).all(dim=1)
        assert elbo < evidence
        torch.testing.assert_close((evidence - elbo)[0], (evidence - joint.double()[chosen])[0], rtol=0, atol=1e-3)


def test_the_gradient_passes_the_choice_of_codes_straight_through(odd: VQ, monkeypatch: pytest.MonkeyPatch):
    """d log p(x|e)/de reaches the encoder's output as it is; the commitment adds 2β(z − e)."""
    x = images(odd)
    vectors = odd._vectors(x).detach().requires_grad_()
    monkeypatch.setattr(odd, "_vectors", lambda _: vectors)
    terms = odd.terms(x)
    embedding = odd.embed(terms.code).requires_grad_()
    (expected,) = torch.autograd.grad(odd.embedding_likelihood(embedding).log_prob(x).sum(), embedding)
    (straight,) = torch.autograd.grad(terms.log_likelihood.sum(), vectors)
    torch.testing.assert_close(straight, expected)
    assert expected.abs().max() > 0
    commitment = terms.auxiliary["commitment"]
    apart = vectors - embedding
    torch.testing.assert_close(commitment, 0.25 * (apart**2).sum(dim=1))
    (pull,) = torch.autograd.grad(commitment.sum(), vectors)
    torch.testing.assert_close(pull, 2 * 0.25 * apart)


def test_the_prior_does_not_pull_at_the_codes(odd: VQ):
    odd.terms(images(odd)).kl["codes"].sum().backward()
    reached = {name.split(".")[0] for name, weight in odd.named_parameters() if weight.grad is not None}
    assert reached == {"code_prior"}


def test_a_training_step_moves_the_codebook_by_the_generator():
    def stepped(seed: int) -> torch.Tensor:
        model = build(codes=200).train()
        model.terms(images(model), generator=seeded(seed))
        return model.quantizer.codebook

    assert not torch.equal(stepped(1), build(codes=200).quantizer.codebook)
    assert torch.equal(stepped(1), stepped(1)) and not torch.equal(stepped(1), stepped(2))


def test_the_codebook_gets_the_vectors_that_chose_each_code():
    """One step from nothing: each code is the mean of the vectors that chose it."""
    odd = build(restart=1e-6)
    x = images(odd)
    z = odd.encode(x)
    grids = odd._vectors(x).unflatten(1, (3, *odd.grid))
    code = int(z[0, 4])
    rows, places = (z == code).nonzero(as_tuple=True)
    expected = torch.stack([grids[r, :, p // odd.grid[1], p % odd.grid[1]] for r, p in zip(rows, places, strict=True)])
    odd.train().terms(x, generator=seeded())
    torch.testing.assert_close(odd.quantizer.codebook[code], expected.mean(dim=0), rtol=1e-4, atol=1e-5)


def test_embeddings_go_there_and_back(odd: VQ):
    z = odd.prior().sample(20, seeded())
    embedding = odd.embed(z)
    assert embedding.shape == (20, odd.latent.size * 3)
    assert torch.equal(odd.round_embedding(embedding), z)
    assert torch.equal(odd.decode_embedding(embedding), odd.decode(z))
    grids = embedding.unflatten(1, (3, *odd.grid))
    assert torch.equal(grids[6, :, 2, 1], odd.quantizer.codebook[int(z[6, 2 * 3 + 1])])


def test_seen_through_its_embeddings_it_is_the_same_model(odd: VQ):
    seen = Embedded(odd).eval()
    x = images(odd)
    z = seen.encode(x)
    assert isinstance(seen, Codec) and seen.latent.continuous and z.shape == (COUNT, seen.latent.size)
    assert torch.equal(z, odd.embed(odd.encode(x))) and torch.equal(seen.codes(z), odd.encode(x))
    assert torch.equal(seen.decode(z), odd.decode(odd.encode(x)))
    torch.testing.assert_close(seen.likelihood(z).log_prob(x), odd.likelihood(odd.encode(x)).log_prob(x))
    assert torch.equal(seen.posterior(x).mean, z)
    assert torch.equal(seen.prior().sample(3, seeded()), odd.embed(odd.prior().sample(3, seeded())))
    # Between codes it goes on without jumps.
    middle = (z[:1] + z[1:2]) / 2
    assert not torch.equal(seen.decode(middle), seen.decode(odd.embed(seen.codes(middle))))


def test_half_precision_ends_at_the_codes(odd: VQ):
    x = images(odd)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        terms = odd.terms(x)
    for values in (terms.log_likelihood, terms.kl["codes"], terms.auxiliary["commitment"], terms.code):
        assert values.dtype == torch.float32 and torch.isfinite(values).all()


def test_saved_and_read_it_is_the_same_model(odd: VQ, tmp_path: Path):
    odd.train().terms(images(odd), generator=seeded())
    odd.eval()
    name = write_checkpoint(tmp_path / "m.safetensors", odd, {"name": "contract"})
    read = read_checkpoint(tmp_path / "m.safetensors")
    assert (read.hash, read.model.config) == (name, odd.config)
    x = images(odd)
    with torch.no_grad():
        assert torch.equal(read.model.encode(x), odd.encode(x))
        ours, theirs = (m.terms(x) for m in (odd, read.model))
    assert torch.equal(ours.log_likelihood, theirs.log_likelihood) and torch.equal(ours.kl["codes"], theirs.kl["codes"])
    assert torch.equal(read.model.quantizer.counts, odd.quantizer.counts)


def test_a_condition_is_refused(odd: VQ):
    x, z, told = images(odd), torch.zeros(COUNT, odd.latent.size), torch.zeros(COUNT)
    seen = Embedded(odd)
    calls = [(m.encode, x) for m in (odd, seen)] + [(odd.posterior, x), (odd.terms, x), (odd.decode, z)]
    calls += [(odd.likelihood, z), (seen.likelihood, odd.embed(z)), (seen.decode, odd.embed(z)), (seen.posterior, x)]
    for call, given in calls:
        with pytest.raises(CapabilityError, match="expected no condition"):
            call(given, told)
    for prior in (odd.prior, seen.prior):
        with pytest.raises(CapabilityError, match="expected no condition"):
            prior(told)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"codes": 1}, "codes: expected 2 to 65536, got 1"),
        ({"codes": 10**9}, "codes: expected 2 to 65536"),
        ({"dimension": 0}, "dimension: expected 1 to 65536, got 0"),
        ({"commitment": 0.0}, "commitment: expected a number above 0"),
        ({"commitment": math.nan}, "commitment: expected a number above 0"),
        ({"decay": 1.0}, "decay: expected a number between 0 and 1, got 1.0"),
        ({"restart": 0.0}, "restart: expected a number between 0 and 1, got 0.0"),
        ({"image": ImageSpec(1, 4097, 4)}, "image: expected sides of at most 4096"),
    ],
)
def test_sizes_that_no_model_has(options: dict, says: str):
    with pytest.raises(ValueError, match=f"^{says}"):
        VQConfig(**{"image": ImageSpec(1, 4, 4), **options})


def test_an_image_too_small_for_its_network_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match="at most 2 stages for 4×4 grey images, got 3"):
        VQConfig(ImageSpec(1, 4, 4), network=Grid(channels=(4, 4, 4))).build()


def tiny(**training: Any) -> Any:
    """Three epochs of seven steps on 4×4 patterns."""
    table = {
        "name": "tiny", "seed": 3, "data": {"source": "patterns"},
        "model": {
            "family": "vq", "codes": 6, "dimension": 2, "network": {"kind": "grid", "channels": [4], "blocks": 1},
            "prior": {"width": 8, "layers": 1, "heads": 2},
        },
        "training": {"epochs": 3, "batch": 8, "learning_rate": 0.01, "schedule": "cosine", **training},
    }  # fmt: skip
    return build_recipe(table, "tiny").for_images(ImageSpec(1, 4, 4))


def trained(folder: Path, recipe: Any, **options: Any) -> Any:
    folder.mkdir(exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (76, 1, 4, 4), dtype=np.uint8)
    cpu = torch.device("cpu")
    return train(recipe, pixels[:56], pixels[56:], folder, device=cpu, about={"name": "tiny"}, **options)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("step", [1, 7, 12])
def test_stopped_and_resumed_it_ends_as_if_it_had_not_been(tmp_path: Path, precision: str, step: int):
    def ctrl_c(task: str, done: int, total: int, note: str = "") -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGINT)

    recipe = tiny(precision=precision, clip=50.0)
    trained(tmp_path / "whole", recipe)
    with pytest.raises(Interrupted):
        trained(tmp_path / "stopped", recipe, progress=ctrl_c)
    state = load_file(tmp_path / "stopped" / STATE)
    assert {"model.quantizer.codebook", "model.quantizer.counts", "model.quantizer.sums"} <= set(state)
    trained(tmp_path / "stopped", recipe, resume=True)
    for name in (CHECKPOINT, LAST):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes()


def test_the_history_has_the_parts_of_the_loss(tmp_path: Path):
    (*_, last) = trained(tmp_path / "run", tiny()).history
    assert last["validation_loss"] == pytest.approx(
        sum(last[f"validation_{name}"] for name in ("reconstruction", "kl", "commitment"))
    )


def test_it_learns_patterns_of_a_few_kinds():
    """Four 8×8 pictures: as many codes as they need, a prior that knows them, and a bound near log 4."""
    torch.manual_seed(0)
    kinds = torch.zeros(4, 1, 8, 8)
    kinds[0, :, :4], kinds[1, :, :, 4:], kinds[2, :, 4:], kinds[3, :, :, :4] = 1, 1, 1, 1
    config = VQConfig(
        ImageSpec(1, 8, 8), codes=8, dimension=2, network=Grid(channels=(8, 8), blocks=0), prior=SMALL, decay=0.9
    )
    model = config.build().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(250):
        x = kinds[torch.randint(4, (32,), generator=seeded(step))]
        loss = ELBO()(model.terms(x, generator=seeded(step)), 0.0).total.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        terms = model.terms(kinds)
        assert len(terms.code.unique(dim=0)) == 4
        assert float((terms.kl["codes"] - terms.log_likelihood).mean()) < math.log(4) + 0.5
        drawn = model.decode(model.prior().sample(50, seeded())).round()
    alike = (drawn[:, None] == kinds).flatten(2).all(dim=2).any(dim=1)
    assert alike.float().mean() > 0.9
