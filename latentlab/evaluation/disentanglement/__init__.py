"""Disentanglement: MIG, DCI, SAP and FactorVAE, each with its ceiling, its null and an interval."""

from latentlab.evaluation.disentanglement.factor import Factors, read_factors
from latentlab.evaluation.disentanglement.score import METRICS, Disentanglement, MetricScore, score_disentanglement

__all__ = ["METRICS", "Disentanglement", "Factors", "MetricScore", "read_factors", "score_disentanglement"]
