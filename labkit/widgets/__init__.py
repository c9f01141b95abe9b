"""Widgets: the probes by hand, inside the notebook. Most take a session.

Such as `widgets.playground(session)`, as the last line of a cell.
"""
