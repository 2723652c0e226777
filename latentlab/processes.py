"""The processes that train one model together: who is who, and what they tell one another."""

from __future__ import annotations

import atexit
import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from latentlab.errors import LatentlabError, TrainingError, UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

Value = TypeVar("Value")

# What torchrun tells each process that it starts.
TOLD = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# One process writes a large model while the others wait for it.
PATIENCE = timedelta(hours=1)
# To find out who speaks takes no longer than this, or each does.
ASKING = timedelta(seconds=10)


@dataclass(frozen=True)
class Processes:
    """Several processes that hold the same weights and share the rows of every batch; by default one alone.

    What one has to do for all (choose a folder, write a file) the first does. In one process nothing is sent, and
    torch.distributed is not touched.

    Args:
        rank: of this process, from 0.
        count: of processes.
        local: its rank among those on its machine.
    """

    rank: int = 0
    count: int = 1
    local: int = 0

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.count == 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and prints."""
        return self.rank == 0

    def device(self, asked: str) -> str:
        """Which device to use, for the one that was asked for: with several processes each GPU has one of them.

        Raises:
            UsageError: when the processes cannot have what was asked for.
        """
        import torch

        if self.alone:
            return asked
        if asked not in ("auto", "cpu", "cuda"):
            raise UsageError(f"expected --device auto, cpu or cuda with {self.count} processes, got {asked!r}")
        if asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()):
            return "cpu"
        if 0 < torch.cuda.device_count() <= self.local:
            raise UsageError(
                f"expected a GPU for each process on a machine, got {torch.cuda.device_count()} for at least "
                f"{self.local + 1}; start as many processes as there are GPUs, or use --device cpu"
            )
        return f"cuda:{self.local}"

    def share(self, rows: Tensor) -> Tensor:
        """Those of the rows of a batch that are this process's own: a stretch of them, of the others' length or one."""
        return rows if self.alone else rows.tensor_split(self.count)[self.rank]

    def parallel(self, step: nn.Module) -> nn.Module:
        """A module whose gradients become the means of those of all processes as they are computed."""
        if self.alone:
            return step
        from torch.nn.parallel import DistributedDataParallel

        with warnings.catch_warnings():
            # Newer versions of torch have another name for `broadcast_buffers`, which older ones do not know.
            warnings.simplefilter("ignore", FutureWarning)
            # An objective may leave a part of a model out, the same in every step: it has no gradient, as in one
            # process. Buffers are the same everywhere already.
            return DistributedDataParallel(step, broadcast_buffers=False, static_graph=True)

    def gather(self, own: Tensor, total: int) -> Tensor:
        """The rows of all, of shape (total, d), of which each process has its share; without gradients."""
        import torch

        if self.alone:
            return own
        sizes = [len(part) for part in torch.arange(total).tensor_split(self.count)]
        # Not every backend takes rows of different numbers.
        padded = own.new_zeros(sizes[0], *own.shape[1:])
        padded[: len(own)] = own.detach()
        parts = [torch.empty_like(padded) for _ in sizes]
        torch.distributed.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    def sum(self, own: Tensor) -> Tensor:
        """The sum over all processes; changes `own`."""
        import torch

        if not self.alone:
            torch.distributed.all_reduce(own)
        return own

    def of_first(self, own: Tensor) -> Tensor:
        """What the first process has there; changes `own`."""
        import torch

        if not self.alone:
            torch.distributed.broadcast(own, 0)
        return own

    def any(self, own: bool) -> bool:
        """Whether it is so in any process."""
        import torch

        if self.alone:
            return own
        found = torch.tensor(int(own))
        torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
        return bool(found)

    def once(self, work: Callable[[], Value]) -> Value:
        """Do something in the first process only, while the others wait: all get its result, or its error.

        Raises:
            LatentlabError: that of the first process.
        """
        import torch

        if self.alone:
            return work()
        told: list[object] = [None, None]
        if self.first:
            try:
                told[0] = work()
            except LatentlabError as error:
                told[1] = error
        with self.connected():
            torch.distributed.broadcast_object_list(told, 0, device=torch.device("cpu"))
        if isinstance(told[1], LatentlabError):
            raise told[1]
        return told[0]  # type: ignore[return-value]

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Say in one line that another process is gone, where torch says it in many.

        Raises:
            TrainingError: when it is.
        """
        try:
            yield
        except RuntimeError as error:
            import torch

            lost = isinstance(error, torch.distributed.DistError) or "gloo" in str(error)
            if self.alone or not lost:
                raise
            raise TrainingError(
                "another of the processes ended, and the training with it; start them again with --resume"
            ) from error

    def leave(self) -> None:
        """Part from the others, so that none waits for what this one still has to do; the first takes their processors.

        torchrun gives each process one thread. What comes after training, one process does for all.
        """
        if self.alone:
            return
        _leave()
        if self.first:
            import torch

            torch.set_num_threads(torch.get_num_threads() * int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


ALONE = Processes()


def join_processes() -> Processes:
    """The processes that torchrun started, by what it says in the environment; one alone where it says nothing.

    Raises:
        UsageError: when it says a part only.
        TrainingError: when the others are not found.
    """
    if not _several():
        return ALONE
    missing = [name for name in TOLD if not os.environ.get(name)]
    if missing:
        raise UsageError(
            f"expected {', '.join(TOLD)} in the environment, got no {', '.join(missing)}; start the processes "
            "with torchrun, or unset WORLD_SIZE"
        )
    import torch

    processes = Processes(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        torch.distributed.init_process_group(backend, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise TrainingError(f"the {processes.count} processes do not find one another ({reason})") from error
    atexit.register(_leave)
    return processes


def speaks() -> bool:
    """Whether this process is the one that tells the user of a mistake: of several the first that has one to tell.

    Those who cannot ask, because torchrun did not start them or is gone, all do: better twice than not at all.
    """
    if not _several():
        return True
    import torch

    with contextlib.suppress(RuntimeError, ValueError):
        store, _, _ = next(torch.distributed.rendezvous("env://", timeout=ASKING))
        return store.add("latentlab/said", 1) == 1
    return True


def _several() -> bool:
    count = os.environ.get("WORLD_SIZE", "1")
    return "RANK" in os.environ and count.isdecimal() and int(count) > 1


def _leave() -> None:
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
