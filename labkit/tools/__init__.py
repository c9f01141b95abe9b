"""Tools: a plain function becomes one, and the loop calls it for the model. `session.run` is the way in."""

from labkit.tools.executing import Approve, Done
from labkit.tools.loop import Loop
from labkit.tools.tool import BadArguments, Tool, tool, toolbox
from labkit.tools.trace import Event, Run

__all__ = ["Approve", "BadArguments", "Done", "Event", "Loop", "Run", "Tool", "tool", "toolbox"]
