"""What fits on a machine, how fast it can go at most, and what it costs: all computed from the catalog."""

from labkit.planner.planning import Plan, plan
from labkit.planner.prices import Cost, cost, per_million
from labkit.planner.rows import Memory, Row

__all__ = ["Cost", "Memory", "Plan", "Row", "cost", "per_million", "plan"]
