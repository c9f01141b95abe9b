"""Probes: measurements of the live model. Each takes a session."""

from labkit.probes.comparing import Comparison, compare
from labkit.probes.metrics import metrics
from labkit.probes.speed import Speed, speed

__all__ = ["Comparison", "Speed", "compare", "metrics", "speed"]
