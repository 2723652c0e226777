"""The decoder that runs inside the page: a model's decode as a small program, with its weights in few bits."""

from latentlab.report.live.choice import Live, choose
from latentlab.report.live.file import read_program, write_program
from latentlab.report.live.interpret import run
from latentlab.report.live.program import Program
from latentlab.report.live.trace import trace_program
from latentlab.report.live.weight import Filled, Precision, fill

__all__ = [
    "Filled",
    "Live",
    "Precision",
    "Program",
    "choose",
    "fill",
    "read_program",
    "run",
    "trace_program",
    "write_program",
]
