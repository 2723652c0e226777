from __future__ import annotations

import numpy as np
import pytest
import torch

from latentlab.errors import UsageError
from latentlab.runtime import as_tensor, pick_device, silent, torch_generator, tracked


def test_progress_is_told_of_every_item():
    told: list[tuple[str, int, int]] = []
    items = list(tracked("abc", "reading", lambda task, done, total, note="": told.append((task, done, total))))
    assert items == ["a", "b", "c"]
    assert told == [("reading", 0, 3), ("reading", 1, 3), ("reading", 2, 3), ("reading", 3, 3)]
    assert list(tracked(iter("ab"), "x", silent, total=2)) == ["a", "b"]


def test_devices():
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device().type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize(("name", "says"), [("gpu", "unknown device 'gpu'"), ("cuda:99", "not on this machine")])
def test_devices_that_are_not_there(name: str, says: str):
    with pytest.raises(UsageError, match=says):
        pick_device(name)


def test_a_generator_is_its_seed():
    first, second = (torch.rand(3, generator=torch_generator(5)) for _ in range(2))
    assert torch.equal(first, second)


def test_an_array_shares_its_memory_unless_it_is_read_only():
    array = np.zeros(3, np.float32)
    as_tensor(array)[0] = 1
    assert array[0] == 1
    array.flags.writeable = False
    as_tensor(array)[1] = 1
    assert array[1] == 0
