"""Keeps Ray on this machine: its own processes load this by name (ray_serve.py, ray_runner.py)."""

from __future__ import annotations

HERE = "127.0.0.1"


def head_stays_here() -> None:
    """Ray takes 127.0.0.1 for a slip and puts the machine's own address, with its ports, in its place."""
    from ray._private import services

    services.resolve_ip_for_localhost = lambda host: host
    services.get_node_ip_address = lambda *_, **__: HERE


def worker_stays_here() -> None:
    """A replica opens a port for its neighbours, on all addresses; here they are all on this machine."""
    from ray.serve._private import replica

    opened = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: opened(server, address.replace("[::]", HERE))
