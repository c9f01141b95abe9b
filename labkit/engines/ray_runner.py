"""Runs a Serve config on this machine until it is ended: a script, `ray_runner.py CONFIG --cpus N`.

Ray's `serve run` does the same, but opens Ray's ports to every address of the machine.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

OBJECTS_BYTES = 100 * 2**20
"""Memory that Ray shares between its processes: requests and answers are small."""


def main() -> None:
    """Start Ray, deploy, say so in vLLM's words, wait."""
    import ray
    import yaml
    from ray import serve

    from labkit.engines import ray_here, ray_serve

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--cpus", type=int, required=True)
    args = parser.parse_args()
    config: dict[str, Any] = yaml.safe_load(args.config.read_text("utf-8"))

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = tempfile.mkdtemp(prefix="labkit-ray-")  # short: Ray's sockets have names of 107 bytes at most
    ray_here.head_stays_here()
    try:
        ray.init(
            num_cpus=args.cpus,
            include_dashboard=False,
            object_store_memory=OBJECTS_BYTES,
            runtime_env={"worker_process_setup_hook": ray_serve.HOOK},
            _node_ip_address=ray_here.HERE,
            _temp_dir=folder,
        )
        serve.start(http_options=config["http_options"])
        for each in config["applications"]:
            module, _, name = each["import_path"].partition(":")
            build = getattr(import_module(module), name)
            serve.run(build(each["args"]), name=each["name"], route_prefix=each["route_prefix"])
        print("Application startup complete", flush=True)
        signal.pause()
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
