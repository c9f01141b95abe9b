"""The helper package of the Mistral Small 3.1 course: start the model, talk to it, see this machine.

Everything is loaded on first use, so that `import labkit` stays quick and needs no engine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.clinic import Report, doctor
    from labkit.clinic.drills import Drill, drill
    from labkit.clinic.readiness import readiness
    from labkit.diagnosis import Diagnosis, diagnose
    from labkit.engines.contract import Endpoint, Status
    from labkit.errors import LabkitError
    from labkit.hardware import Machine, machine
    from labkit.lessons import check, hint, solution
    from labkit.planner import Cost, Plan, cost, plan
    from labkit.reply import Reply, ToolCall
    from labkit.running import status, stop
    from labkit.session import Session, connect, start

_HOME_OF = {
    "check": "lessons",
    "hint": "lessons",
    "solution": "lessons",
    "Diagnosis": "diagnosis",
    "diagnose": "diagnosis",
    "Drill": "clinic.drills",
    "drill": "clinic.drills",
    "Report": "clinic",
    "doctor": "clinic",
    "readiness": "clinic.readiness",
    "LabkitError": "errors",
    "Machine": "hardware",
    "machine": "hardware",
    "Cost": "planner",
    "cost": "planner",
    "Plan": "planner",
    "plan": "planner",
    "Reply": "reply",
    "ToolCall": "reply",
    "Endpoint": "engines.contract",
    "Status": "engines.contract",
    "status": "running",
    "stop": "running",
    "Session": "session",
    "connect": "session",
    "start": "session",
}

__all__ = [
    "Cost",
    "Diagnosis",
    "Drill",
    "Endpoint",
    "LabkitError",
    "Machine",
    "Plan",
    "Reply",
    "Report",
    "Session",
    "Status",
    "ToolCall",
    "check",
    "connect",
    "cost",
    "diagnose",
    "doctor",
    "drill",
    "hint",
    "machine",
    "plan",
    "readiness",
    "solution",
    "start",
    "status",
    "stop",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module the first time it is asked for."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'labkit' has no attribute {name!r}")
    value = getattr(import_module(f"labkit.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
