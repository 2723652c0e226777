"""What a family says to a condition that it cannot use."""

from __future__ import annotations

from torch import Tensor

from latentlab.errors import CapabilityError


def refuse_condition(family: str, condition: Tensor | None) -> None:
    """Refuse a condition given to an unconditional family.

    Raises:
        CapabilityError: when there is a condition.
    """
    if condition is not None:
        raise CapabilityError(f"expected no condition for the family {family!r}, got one; leave it out")
