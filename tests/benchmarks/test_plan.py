"""The plan's arithmetic, by hand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def planning():
    spec = importlib.util.spec_from_file_location("benchmark_plan", Path(__file__).with_name("plan.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmark_plan"] = module
    spec.loader.exec_module(module)
    return module


def test_cores_decode_and_encode_in_turn(planning) -> None:
    rates = planning.Rates(4000, 1000, 20_000, 0.9, 10_000, 1000, 1e9, 500)
    found = planning.plan(1e8, 10, 10, 0, rates)
    # A core: 1 / (1/4000 + 1/1000) = 800 images/s; a hundred of them at .9: 72,000.
    assert found.hours == pytest.approx(1e8 / 72_000 / 3600)
    assert found.core_hours == pytest.approx(100 * found.hours)
    assert found.read_gigabytes == pytest.approx(0.72)
    assert found.stored_terabytes == pytest.approx((1.0, 0.1))
    assert found.pass_minutes == pytest.approx(50 / 60)
    assert found.first.startswith("the encoder on processors")


def test_with_gpus_the_slower_sets_the_pace(planning) -> None:
    rates = planning.Rates(4000, 1000, 20_000, 1.0, 10_000, 1000, 1e9, 500)
    assert planning.plan(1e6, 1, 4, 1, rates).hours == pytest.approx(1e6 / 16_000 / 3600)
    assert planning.plan(1e6, 1, 4, 1, rates).first.startswith("decoding")
    assert planning.plan(1e6, 1, 8, 1, rates).hours == pytest.approx(1e6 / 20_000 / 3600)
    assert planning.plan(1e6, 1, 8, 1, rates).first.startswith("the encoder: more GPUs")
