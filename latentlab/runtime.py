"""Where and how things run: devices, generators, and progress that the caller may show."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable, Iterator, Sized
from typing import TYPE_CHECKING, Protocol, TypeVar

from latentlab.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch

Item = TypeVar("Item")

# The size of a batch when nothing is being learned: large enough to fill two cores, small in memory.
BATCH = 256
# Pixel values of such a batch: what the layers of a network make of them takes a hundred times as much.
BATCH_VALUES = 1 << 22
# Options of mallopt, as glibc numbers them.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3


def batch_rows(values: int) -> int:
    """How many images of so many values make a batch: 256 of up to 16,384 values, fewer of larger ones.

    >>> batch_rows(28 * 28), batch_rows(3 * 512 * 512)
    (256, 5)
    """
    return max(1, min(BATCH, BATCH_VALUES // values))


class Progress(Protocol):
    """Told how far a long piece of work has come; the command line draws a bar, a notebook nothing."""

    def __call__(self, task: str, done: int, total: int, note: str = "") -> None:
        """Report that `done` of `total` units of `task` are finished."""


def silent(task: str, done: int, total: int, note: str = "") -> None:
    """The progress that shows nothing."""


def tracked(items: Iterable[Item], task: str, progress: Progress, total: int | None = None) -> Iterator[Item]:
    """Go through `items` and report each one that is finished."""
    if total is None:
        total = len(items) if isinstance(items, Sized) else 0
    progress(task, 0, total)
    for done, item in enumerate(items, 1):
        yield item
        progress(task, done, total)


def pick_device(name: str = "auto") -> torch.device:
    """Turn `auto`, `cpu`, `cuda`, `cuda:1` or `mps` into a device that is there.

    Raises:
        UsageError: when the name is not a device, or this machine has none of that kind.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"unknown device {name!r}; expected auto, cpu, cuda, cuda:N or mps") from None
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise UsageError(f"device {name!r} is not on this machine; use --device auto or cpu")
    return device


def as_tensor(array: np.ndarray) -> torch.Tensor:
    """The tensor of a NumPy array, in the same memory; one that is read-only is copied, since torch writes anywhere."""
    import torch

    return torch.from_numpy(array if array.flags.writeable else array.copy())


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute products on one thread: their last bits depend on how many there are.

    Threads that wait for the next product would also keep a processor busy that another process needs.
    """
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(threads)


def keep_memory() -> None:
    """Make a process that does nothing but encode keep the memory that it frees; what is set stays set."""
    # glibc: given back and asked for again, the pages of every layer's output are cleared anew,
    # which takes a fifth of the time of a small encoder. Other systems' allocators have no such options.
    with contextlib.suppress(AttributeError, OSError, TypeError):
        allocator = ctypes.CDLL(None)
        for option in (TRIM_THRESHOLD, MMAP_THRESHOLD):
            allocator.mallopt(option, 1 << 30)
    # Arrow would take its memory beside that which is kept, from an allocator of its own. Read when Arrow is imported.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def release_memory() -> None:
    """Give back to the system what was freed: of many small things glibc keeps it for more of them."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def torch_generator(seed: int) -> torch.Generator:
    """A generator on the CPU: drawn there and moved, noise is the same on every device."""
    import torch

    return torch.Generator().manual_seed(seed)
