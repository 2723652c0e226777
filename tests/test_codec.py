from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentlab.codec import Block, ImageSpec, LatentSpec
from latentlab.errors import DataError


def test_an_image_is_described():
    spec = ImageSpec(3, 5, 7)
    assert (spec.shape, spec.size, str(spec)) == ((3, 5, 7), 105, "5×7 RGB")
    assert str(ImageSpec(1, 8, 8)) == "8×8 grey"


@pytest.mark.parametrize("shape", [(0, 4, 4), (2, 4, 4), (4, 4, 4), (1, 0, 4), (3, 4, -1)])
def test_an_image_that_cannot_be(shape: tuple[int, int, int]):
    with pytest.raises(DataError, match="1 or 3 channels"):
        ImageSpec(*shape)


shapes = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple), min_size=1, max_size=4)


@settings(deadline=None)
@given(shapes=shapes, count=st.integers(0, 3), as_torch=st.booleans())
def test_blocks_and_the_flat_vector_are_each_others_inverse(shapes: list, count: int, as_torch: bool):
    spec = LatentSpec(tuple(Block(f"b{i}", shape) for i, shape in enumerate(shapes)))
    flat = np.arange(count * spec.size, dtype=np.float32).reshape(count, spec.size)
    flat = torch.from_numpy(flat) if as_torch else flat
    parts = spec.unflatten(flat)
    assert [tuple(part.shape) for part in parts.values()] == [(count, *shape) for shape in shapes]
    back = spec.flatten(dict(reversed(parts.items())))
    assert type(back) is type(flat) and back.shape == flat.shape and bool((back == flat).all())
    assert sum(cut.stop - cut.start for cut in spec.slices().values()) == spec.size


def test_a_latent_knows_whether_it_is_continuous():
    assert LatentSpec((Block("z", (2,)),)).continuous
    assert not LatentSpec((Block("z", (2,)), Block("codes", (4, 4), codes=512))).continuous


def test_wrong_parts_are_refused():
    spec = LatentSpec((Block("a", (2,)), Block("b", (3,))))
    with pytest.raises(DataError, match=r"\(n, 5\), got \(2, 4\)"):
        spec.unflatten(np.zeros((2, 4)))
    with pytest.raises(DataError, match=r"\['a', 'b'\], got \['a'\]"):
        spec.flatten({"a": np.zeros((2, 2))})


@pytest.mark.parametrize("blocks", [(), (Block("a", (1,)), Block("a", (1,))), (Block("a", (0,)),)])
def test_blocks_that_cannot_be(blocks: tuple[Block, ...]):
    with pytest.raises(DataError, match="blocks"):
        LatentSpec(blocks)
