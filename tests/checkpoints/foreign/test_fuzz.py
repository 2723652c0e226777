"""Whatever has happened to somebody else's file, it is refused in one line or it is a model that runs."""

from __future__ import annotations

import io
import random
import resource
import signal
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from latentlab.checkpoints.foreign import Claims
from latentlab.checkpoints.foreign.open import open_foreign
from latentlab.errors import LatentlabError
from tests.checkpoints.foreign.forms import FORMS, Form

# Of each form: together more than ten thousand in the slow suite, and another sample of them in the other.
MANY, FEW = 560, 60
SLOWEST_SECONDS = 5.0
MOST_KIB = 400_000
LONGEST_MESSAGE = 4_000


def mutate(content: bytes, chance: random.Random, within: int) -> bytes:
    """A few bytes changed, cut out, doubled or put elsewhere, in the first `within` of them."""
    out = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        place = chance.randrange(min(len(out), within) or 1)
        match chance.randrange(6):
            case 0:
                out[place : place + 1] = bytes([chance.randrange(256)])
            case 1 if place < len(out):
                out[place] ^= 1 << chance.randrange(8)
            case 2:
                del out[place : place + chance.choice((1, 2, 8, 64))]
            case 3:
                out[place:place] = out[place : place + chance.choice((1, 4, 32))]
            case 4:
                length = chance.choice((1, 2, 4, 8))
                out[place : place + length] = chance.choice((b"\0", b"\xff", b"\x7f")) * length
            case _:
                out = out[: chance.randrange(len(out) + 1)] if chance.random() < 0.2 else out
    return bytes(out)


def changed(whole: bytes, form: Form, chance: random.Random) -> bytes:
    """A file that is damaged, or an archive whose entry is, with checksums that agree."""
    if not form.entry:
        return mutate(whole, chance, form.within)
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(written, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, mutate(content, chance, form.within) if name.endswith(form.entry) else content)
    return written.getvalue()


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Interrupt what takes more processor time than this."""

    def stop(*_: object) -> None:
        raise AssertionError(f"took more than {seconds} seconds")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def refused_or_runs(path: Path) -> bool:
    """Whether it is a model; one that is none has to be refused in one line."""
    try:
        _, model = open_foreign(path, Claims())
    except LatentlabError as error:
        assert "\n" not in str(error) and len(str(error)) < LONGEST_MESSAGE
        return False
    with torch.no_grad():
        assert model.encode(torch.zeros(1, *model.image.shape)).shape == (1, model.latent.size)
    return True


def fuzz(name: str, seeds: range, folder: Path) -> None:
    form = FORMS[name]
    form.write(folder)
    file = folder / form.name
    path = folder if form.whole else file
    assert refused_or_runs(path)
    whole = file.read_bytes()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    opened = 0
    for seed in seeds:
        file.write_bytes(changed(whole, form, random.Random(f"{name} {seed}")))
        start = time.process_time()
        try:
            with at_most(SLOWEST_SECONDS):
                opened += refused_or_runs(path)
        except Exception as error:
            error.add_note(f"{name} of seed {seed}, after {time.process_time() - start:.2f} s")
            raise
    assert opened < len(seeds)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KIB


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORMS)
def test_damaged_files(name: str, tmp_path: Path):
    fuzz(name, range(MANY, MANY + FEW), tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORMS)
def test_ten_thousand_damaged_files(name: str, tmp_path: Path):
    assert MANY * len(FORMS) >= 10_000
    fuzz(name, range(MANY), tmp_path)
