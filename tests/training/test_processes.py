"""Several processes that train together do what one alone does.

Run as a script by torchrun, this file is what each of the processes does: it trains, and tells what it saw.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from latentlab.checkpoints import read_checkpoint
from latentlab.codec import ImageSpec, Terms
from latentlab.distributions import DiagonalNormal
from latentlab.errors import DataError, LatentlabError, UsageError
from latentlab.models import PCAConfig
from latentlab.nn.quantizer import Quantizer
from latentlab.objectives import ELBO, Denoising, Reconstruction, Sparse, TotalCorrelation
from latentlab.processes import ALONE, Processes, join_processes, speaks
from latentlab.training import CHECKPOINT, HISTORY, build_recipe, loop, train
from latentlab.training.batch import Batches
from latentlab.training.history import read_history
from latentlab.training.loop import LAST, STATE
from latentlab.training.step import join_terms

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
# 59 images in batches of 9, the last of 5: shares of 5 and 4, and of 3 and 2.
COUNT, BATCH = 59, 9
# The third step of the second epoch.
STOP = 10
FEW_CODES = {
    "family": "vq", "codes": 6, "dimension": 3,
    "network": {"channels": [4], "blocks": 1}, "prior": {"width": 8, "layers": 1, "heads": 2},
}  # fmt: skip


def recipes(tiny: Callable[..., Any]) -> dict[str, Any]:
    autoencoder = {"family": "autoencoder"}
    settings = {"batch": BATCH, "clip": 2.0, "weight_decay": 0.1, "precision": "float32"}
    plain = {"kind": "reconstruction"}
    sparse = {"kind": "sparse", "rate": 0.2, "weight": 5.0}
    # The prior over codes has no part in this loss.
    table = {"name": "codes", "seed": 3, "data": {"source": "patterns"}, "model": FEW_CODES, "objective": plain}
    codes = build_recipe({**table, "training": {"epochs": 2, "batch": BATCH, "weight_decay": 0.5}}, "codes")
    return {
        "autoencoder": tiny(model=autoencoder, objective=plain, training=settings),
        "residual": tiny("residual", model=autoencoder, objective=plain, training=settings),
        "sparse": tiny(model=autoencoder, objective=sparse, training=settings),
        "vae": tiny(training={"epochs": 8, "batch": BATCH}),
        "codes": codes.for_images(ImageSpec(1, 4, 4)),
    }


def vectors() -> tuple[torch.Tensor, torch.Tensor]:
    """Eleven vectors and the codes that they choose, none of them code 2."""
    z = torch.randn(11, 3, generator=torch.Generator().manual_seed(0))
    return z, torch.tensor([0, 1, 3, 0, 1, 3, 0, 1, 3, 3, 0])


def quantizer() -> Quantizer:
    torch.manual_seed(0)
    made = Quantizer(4, 3, decay=0.9, restart=0.1)
    made.counts.fill_(2.0)
    made.counts[2] = 0.0
    made.sums.normal_()
    return made


def work(folder: Path) -> None:
    """What each process does; one of two alone is interrupted, and stops the other."""
    from conftest import noisy_patterns, tiny

    processes = join_processes()
    replace, written = os.replace, []
    os.replace = lambda source, path: written.append(str(path)) or replace(source, path)
    told: dict[str, Any] = {"rank": processes.rank, "device": processes.device("auto")}

    def go(recipe: Any, name: str, **options: Any) -> Any:
        (folder / name).mkdir(exist_ok=True)
        images, held_out = noisy_patterns(COUNT), noisy_patterns(20, seed=1)
        options = {"device": CPU, "about": {"name": "t"}, "processes": processes, **options}
        return train(recipe, images, held_out, folder / name, **options)

    def refusal(act: Callable[[], Any]) -> str:
        try:
            act()
        except LatentlabError as error:
            return f"{type(error).__name__}: {error}"
        return "none"

    def ctrl_c(task: str, done: int, total: int, note: str = "") -> None:
        if done == STOP and not processes.first:
            os.kill(os.getpid(), signal.SIGTERM)

    def fail() -> None:
        raise DataError("only the first knows")

    seed_of, told["seeds"] = loop._step_seed, []
    loop._step_seed = lambda *which: told["seeds"].append(seed_of(*which)) or told["seeds"][-1]
    setups = recipes(tiny)
    for name, recipe in setups.items():
        told[name] = go(recipe, name).history[-1]
    told["interrupted"] = refusal(lambda: go(setups["vae"], "stopped", progress=ctrl_c))
    told["resumed"] = go(setups["vae"], "stopped", resume=True).history[-1]
    told["refused"] = refusal(lambda: go(tiny(training={"batch": 1}), "refused"))
    told["diverged"] = refusal(lambda: go(tiny(training={"learning_rate": 99.0, "batch": BATCH}), "diverged"))
    pca = dataclasses.replace(tiny(), model=PCAConfig(ImageSpec(1, 4, 4), latent=3))
    told["fitted"] = len(go(pca, "pca").history)
    told["failed"] = refusal(lambda: processes.once(fail))
    told["once"] = processes.once(lambda: processes.rank)
    z, chosen = vectors()
    several = quantizer()
    several.processes = processes
    noise = torch.Generator().manual_seed(processes.rank)
    several.update(processes.share(z), processes.share(chosen), noise)
    told["quantizer"] = {name: value.tolist() for name, value in several.state_dict().items()}
    told["speaks"] = [speaks(), speaks()]
    told["written"] = len(written)
    told["threads"] = torch.get_num_threads()
    processes.leave()
    told["threads_left"] = torch.get_num_threads()
    (folder / f"{processes.rank}.json").write_text(json.dumps(told))


def launch(*words: object, folder: Path, count: int = 2) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
        + [str(word) for word in words],
        cwd=folder, env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, text=True, capture_output=True,
        timeout=240,
    )  # fmt: skip


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The folder in which two processes trained, and what each of them told."""
    folder = tmp_path_factory.mktemp("two")
    done = launch(__file__, folder, folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""
    return folder, [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture
def one(recipe: Any, patterns: Any, tmp_path: Path) -> Callable[[str], Path]:
    """Train one of the recipes alone, on the same images; returns its folder."""

    def go(name: str) -> Path:
        images, held_out = patterns(COUNT), patterns(20, seed=1)
        (tmp_path / name).mkdir()
        train(recipes(recipe)[name], images, held_out, tmp_path / name, device=CPU, about={"name": "t"})
        return tmp_path / name

    return go


def timeless(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in read_history(folder / HISTORY)]


@pytest.mark.parametrize("name", ["autoencoder", "residual", "sparse"])
def test_without_noise_the_weights_are_those_of_one_process(two: Any, one: Any, name: str):
    folder, alone = two[0] / name, one(name)
    for file in (CHECKPOINT, LAST):
        together, single = (read_checkpoint(path / file).model.state_dict() for path in (folder, alone))
        for key, value in single.items():
            assert torch.allclose(together[key], value, rtol=1e-4, atol=2e-5), key
    for epoch, expected in zip(timeless(folder), timeless(alone), strict=True):
        assert epoch == {key: pytest.approx(value, rel=1e-5) for key, value in expected.items()}


def test_with_noise_the_loss_is_that_of_one_process_but_for_the_noise(
    two: Any, one: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Against eight trainings alone that differ in their noise only, of which the spread is known."""
    seed_of, losses = loop._step_seed, []
    for other in range(8):
        monkeypatch.setattr(loop, "_step_seed", lambda seed, step, rank, o=other: seed_of(seed, step, 10 + o))
        losses.append(timeless(one("vae"))[-1]["validation_loss"])
        (tmp_path / "vae").rename(tmp_path / f"vae-{other}")
    found = timeless(two[0] / "vae")[-1]["validation_loss"]
    spread = np.std(losses, ddof=1)
    assert 1e-4 < spread < 0.1 and abs(found - np.mean(losses)) < 4 * spread
    assert timeless(two[0] / "vae")[-1]["loss"] == pytest.approx(two[1][0]["vae"]["loss"])


def test_each_process_has_noise_of_its_own_and_the_first_that_of_one_alone(two: Any):
    first, second = (set(told["seeds"]) for told in two[1])
    assert len(first) == len(second) > 10 and not first & second
    seeds = {loop._step_seed(3, step, rank) for step in range(20) for rank in range(4)}
    assert len(seeds) == 80
    alone = np.random.SeedSequence([3, 7]).generate_state(1, np.uint64)[0] >> 1
    assert loop._step_seed(3, 7, 0) == alone


def test_what_comes_after_training_has_the_processors_of_all(two: Any):
    assert [(told["threads"], told["threads_left"]) for told in two[1]] == [(1, 2), (1, 1)]


def test_all_processes_know_the_same_losses_and_one_writes(two: Any):
    folder, (first, second) = two
    for name in ("autoencoder", "residual", "sparse", "vae", "codes"):
        assert {**first[name], "seconds": 0} == {**second[name], "seconds": 0}
        assert sorted(path.name for path in (folder / name).iterdir()) == sorted([CHECKPOINT, LAST, HISTORY, STATE])
    assert len(timeless(folder / "vae")) == 8
    assert first["written"] > 60 and second["written"] == 0
    assert (first["once"], second["once"]) == (0, 0)
    assert first["failed"] == second["failed"] == "DataError: only the first knows"
    assert (first["device"], second["device"]) == ("cpu", "cpu") or torch.cuda.is_available()


def test_of_a_mistake_that_all_make_one_speaks(two: Any):
    answers = [answer for told in two[1] for answer in told["speaks"]]
    assert sorted(answers) == [False, False, False, True]


def test_a_signal_to_one_stops_all_after_the_same_step_and_they_resume_bit_for_bit(two: Any):
    folder, (first, second) = two
    stopped = f"Interrupted: stopped in epoch 2 after step {STOP}; saved: go on with --resume"
    assert first["interrupted"] == second["interrupted"] == stopped
    for file in (CHECKPOINT, LAST):
        assert (folder / "vae" / file).read_bytes() == (folder / "stopped" / file).read_bytes()
    states = [load_file(folder / name / STATE) for name in ("vae", "stopped")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0] | states[1])
    assert timeless(folder / "vae") == timeless(folder / "stopped")


def test_one_process_goes_on_where_two_stopped(two: Any, recipe: Any, patterns: Any, tmp_path: Path):
    longer = recipe(training={"epochs": 9, "batch": BATCH})
    (tmp_path / STATE).write_bytes((two[0] / "vae" / STATE).read_bytes())
    (tmp_path / HISTORY).write_bytes((two[0] / "vae" / HISTORY).read_bytes())
    images, held_out = patterns(COUNT), patterns(20, seed=1)
    trained = train(longer, images, held_out, tmp_path, device=CPU, about={}, resume=True)
    assert [epoch["epoch"] for epoch in trained.history] == list(range(1, 10))
    assert trained.history[:8] == read_history(two[0] / "vae" / HISTORY)


def test_a_batch_with_no_image_for_a_process_is_refused_by_all(two: Any):
    for told in two[1]:
        assert told["refused"].startswith("DataError: expected an image of every batch for each of 2 processes, got 1 ")
    assert not list((two[0] / "refused").iterdir())


def test_a_loss_that_breaks_ends_all_with_the_same_words(two: Any):
    first, second = (told["diverged"] for told in two[1])
    assert first == second and first.startswith("TrainingError: the ") and " not finite " in first


def test_a_closed_form_is_fitted_by_the_first(two: Any):
    assert [told["fitted"] for told in two[1]] == [1, 0]
    assert {path.name for path in (two[0] / "pca").iterdir()} == {CHECKPOINT, LAST, HISTORY}


def test_codes_follow_the_vectors_of_all_processes(two: Any):
    """Code 2 was chosen by nobody and is put on a vector of the first process, the same in both."""
    (z, chosen), alone = vectors(), quantizer()
    alone.update(z, chosen, torch.Generator().manual_seed(0))
    first, second = ({k: torch.tensor(v) for k, v in told["quantizer"].items()} for told in two[1])
    kept = [0, 1, 3]
    for name, value in alone.state_dict().items():
        assert torch.equal(first[name], second[name])
        assert torch.allclose(first[name][kept], value[kept], atol=1e-6)
    assert first["counts"][2] == alone.counts[2] == 11 / 4
    assert torch.cdist(first["codebook"][2:3], z[:6]).min() < 1e-6


def test_weights_without_a_part_in_the_loss_stay_as_they_began(two: Any, recipe: Any):
    torch.manual_seed(3)
    begun = recipes(recipe)["codes"].model.build().state_dict()
    learned = read_checkpoint(two[0] / "codes" / LAST).model.state_dict()
    same = {name for name in begun if torch.equal(begun[name], learned[name])}
    prior = {name for name in begun if name.startswith("code_prior")}
    assert prior <= same and not {name for name in same if name.startswith("encoder") and "weight" in name}


class Other(Processes):
    """One of several, which is told what all of them would gather."""

    def gather(self, own: torch.Tensor, total: int) -> torch.Tensor:
        whole = GATHERED[0]
        assert len(whole) == total and torch.equal(own, self.share(whole))
        return whole.clone()


GATHERED: list[torch.Tensor] = []
OBJECTIVES = {
    "free bits": ELBO(free_nats=0.4), "elbo": ELBO(beta=2.0), "sparse": Sparse(rate=0.2), "l1": Sparse(penalty="l1"),
    "total correlation": TotalCorrelation(images=100), "denoising": Denoising(), "plain": Reconstruction(),
}  # fmt: skip


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_gradients_of_all_shares_sum_to_that_of_the_batch(name: str, count: int):
    """Objectives that are no mean over images too; 7 images, so that shares are uneven."""
    generator = torch.Generator().manual_seed(1)
    leaves = {key: torch.randn(7, 3, generator=generator) for key in ("mean", "logvar", "code")}
    leaves["scalars"] = torch.rand(7, 2, generator=generator)

    def terms(values: dict[str, torch.Tensor]) -> Terms:
        dimensions = 0.1 * values["code"] ** 2 + 0.2 * torch.exp(values["logvar"])
        posterior = DiagonalNormal(values["mean"], values["logvar"])
        return Terms(
            log_likelihood=values["scalars"][:, 0], kl={"z": dimensions.sum(dim=1)},
            auxiliary={"more": values["scalars"][:, 1]}, code=values["code"], posterior=posterior,
            kl_dimensions=dimensions,
        )  # fmt: skip

    def gradients(processes: Processes) -> tuple[float, dict[str, torch.Tensor]]:
        own = {key: processes.share(value).clone().requires_grad_() for key, value in leaves.items()}
        total = OBJECTIVES[name](join_terms(terms(own), 7, processes), 0.5).total.mean()
        total.backward()
        return total.item(), {key: value.grad for key, value in own.items() if value.grad is not None}

    whole = terms(leaves)
    single = [whole.log_likelihood, whole.kl["z"], whole.auxiliary["more"]]
    wide = [whole.code, whole.kl_dimensions, whole.posterior.mean, whole.posterior.logvar]
    GATHERED[:] = [torch.cat([*(column[:, None] for column in single), *wide], dim=1)]
    loss, expected = gradients(ALONE)
    shares = [gradients(Other(rank, count)) for rank in range(count)]
    assert [share[0] for share in shares] == pytest.approx([loss] * count)
    for key, gradient in expected.items():
        assert torch.allclose(torch.cat([share[1][key] for share in shares]), gradient, atol=1e-7), key


@pytest.mark.parametrize(("count", "size", "smallest"), [(8, 4, 4), (9, 4, 4), (10, 4, 2), (3, 9, 3), (7, 4, 3)])
def test_the_smallest_batch(count: int, size: int, smallest: int):
    batches = Batches(np.zeros((count, 1, 1, 1), np.uint8), size, 0, CPU)
    assert batches.smallest == smallest == min(len(rows) for rows in batches.rows(0))


def test_a_process_alone_asks_nobody():
    rows = torch.arange(5)
    assert ALONE.share(rows) is rows and ALONE.gather(rows, 5) is rows and ALONE.of_first(rows) is rows
    assert ALONE.device("cuda:1") == "cuda:1" and ALONE.once(lambda: 3) == 3
    assert copy.deepcopy(quantizer()).processes == ALONE


@pytest.mark.parametrize("device", ["mps", "cuda:1", "gpu"])
def test_processes_that_share_a_machine_choose_their_devices_themselves(device: str):
    with pytest.raises(UsageError, match=r"expected --device auto, cpu or cuda with 2 processes"):
        Processes(1, 2, 1).device(device)


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [Processes(rank, 3, rank).device("auto") for rank in range(2)] == ["cuda:0", "cuda:1"]
    assert Processes(2, 3, 2).device("cpu") == "cpu"
    with pytest.raises(UsageError, match=r"expected a GPU for each process on a machine, got 2 for at least 3"):
        Processes(2, 3, 2).device("auto")


def test_half_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert join_processes() == ALONE
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(UsageError, match=r"got no LOCAL_RANK, MASTER_ADDR, MASTER_PORT; start the processes with tor"):
        join_processes()
    assert speaks()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert join_processes() == ALONE and speaks()


def test_a_mistake_in_a_command_of_two_processes_is_told_once(tmp_path: Path):
    done = launch("-m", "latentlab", "train", "digits-vea", folder=tmp_path)
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1 and done.stdout == "" and len(said) == 1
    assert said[0].startswith("error: unknown recipe 'digits-vea'; did you mean digits-vae")


@pytest.mark.slow
def test_a_train_command_of_two_processes_prints_once(tiny_recipe: Path, tmp_path: Path):
    words = ["-m", "latentlab", "train", tiny_recipe, "--out", "run"]
    done = launch(*words, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["training"]["epochs"] == 2
    assert done.stderr == ""
    assert len(read_history(tmp_path / "run" / HISTORY)) == 2
    again = launch(*words, folder=tmp_path)
    assert again.returncode == 1 and again.stdout == "recipe: tiny\n"
    assert [line for line in again.stderr.splitlines() if line.startswith("error: ")] == [
        "error: run holds a run already; go on with --resume, or choose another --out"
    ]


@pytest.mark.slow
def test_a_torchrun_that_is_told_to_end_leaves_what_resumes(tiny_recipe: Path, tmp_path: Path):
    words = ["-m", "latentlab", "train", tiny_recipe, "--set", "training.epochs=400", "--quiet", "--out"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    for number in (signal.SIGINT, signal.SIGTERM):
        out = tmp_path / number.name
        torchrun = subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
            + [str(word) for word in (*words, out)],
            env={**os.environ, "PYTHONPATH": path}, text=True, stderr=subprocess.PIPE, cwd=tmp_path,
        )  # fmt: skip
        while not (out / HISTORY).exists():
            assert torchrun.poll() is None
        torchrun.send_signal(number)
        _, said = torchrun.communicate(timeout=60)
        assert said.count("; saved: go on with --resume") == 1
        epochs = len(read_history(out / HISTORY))
        assert epochs < 400
        done = launch(*words, out, "--resume", folder=tmp_path)
        assert done.returncode == 0 and len(read_history(out / HISTORY)) == 400, done.stderr


if __name__ == "__main__":
    work(Path(sys.argv[1]))
