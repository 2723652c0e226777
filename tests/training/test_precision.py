from __future__ import annotations

import pytest
import torch

from latentlab.training.precision import autocast, pick_precision

CPU = torch.device("cpu")
CONVOLUTION, WIDE, NARROW = torch.nn.Conv2d(1, 1, 3), torch.nn.Linear(784, 400), torch.nn.Linear(64, 256)


def test_what_is_asked_for_is_taken():
    for asked in ("float32", "bfloat16"):
        assert pick_precision(asked, CPU, NARROW) == pick_precision(asked, CPU, WIDE) == asked


@pytest.mark.parametrize(("able", "expected"), [({}, "float32"), ({"avx512_bf16": True}, "bfloat16")])
def test_auto_takes_half_precision_where_it_pays_off_and_there_are_units_for_it(
    monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], expected: str
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert pick_precision("auto", CPU, CONVOLUTION) == pick_precision("auto", CPU, WIDE) == expected
    assert pick_precision("auto", CPU, NARROW) == "float32"


def test_an_older_torch_cannot_say_and_gets_single_precision(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert pick_precision("auto", CPU, WIDE) == "float32"


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_the_context_computes_in_that_format(precision: str, dtype: torch.dtype):
    layer = torch.nn.Linear(2, 2)
    with autocast(precision, CPU):
        assert layer(torch.zeros(1, 2)).dtype == dtype
