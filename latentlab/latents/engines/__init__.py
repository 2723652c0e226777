"""Engines: what runs one function over the parts of a table, here or on a cluster.

An engine is `map(function, tasks, workers=…, …)`, which yields each task's number and result as they come. The function
is pure and may be run twice: an engine may lose a worker, and asks again. `ENGINES` names the module of each.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol

from latentlab.errors import unknown_name

# Told of images that are done, whichever task they are of.
Report = Callable[[int], None]

ENGINES = {
    "local": "latentlab.latents.engines.local",
    "ray": "latentlab.latents.engines.ray",
}


class Engine(Protocol):
    """What `map_tasks` of an engine's module is."""

    def __call__(
        self,
        function: Callable[[Any, Report], Any],
        tasks: Sequence[Any],
        *,
        workers: int,
        report: Report,
        address: str | None = None,
        gpus: int = 0,
    ) -> Generator[tuple[int, Any]]:
        """Run the function on every task; yields (number of the task, result) as they are done.

        Args:
            function: of a task and a report of images done; of a module's top level, so that it can be sent.
            tasks: picklable; what a user can do about one that ends its workers is its `advice`, where it has one.
            workers: how many at a time.
            report: told of images that are done, where the engine hears of them before a task is.
            address: of a cluster, for the engine that knows clusters.
            gpus: that each task takes for itself, for an engine that hands them out.

        Raises:
            LatentlabError: what the function raised first, or when a task ends its worker again and again.

        Closed, nothing that it began is at work any more.
        """


def find_engine(name: str) -> Engine:
    """The engine of a name in ENGINES.

    Raises:
        UnknownNameError: when there is none.
    """
    if name not in ENGINES:
        raise unknown_name("engine", name, ENGINES)
    engine: Engine = importlib.import_module(ENGINES[name]).map_tasks
    return engine
