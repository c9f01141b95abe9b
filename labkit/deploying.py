"""Files for machines that are not this one: a Serve config, manifests for Kubernetes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from labkit import catalog
from labkit.engines import kubernetes, ray_serve
from labkit.engines.recipe import Recipe, recipe_for, recipe_for_variant
from labkit.errors import LabkitError
from labkit.wanted import POCKET

TEXT = {
    "pocket": "The pocket twin lies on this machine only; rehearse with `labkit deploy ray`. For a cluster "
    "name a variant of the catalog ({known}) or of the hub.",
    "no_tag": "The image {image!r} has no tag. Name one, so that tomorrow's pods are today's.",
}


def serve_config(
    variant: str, least: int, most: int, *, cards: int, context: int, port: int
) -> dict[str, Any]:
    """Ray Serve's config for a variant of the catalog or a name on the hub. Raises LabkitError."""
    return ray_serve.config(_recipe(variant, cards, context), port, least, most)


def kubernetes_files(
    variant: str,
    folder: Path,
    *,
    least: int,
    most: int,
    cards: int,
    context: int,
    image: str,
    hub_image: str,
    learners: int,
) -> list[Path]:
    """Write `rayservice.yaml` and `jupyterhub-values.yaml` into `folder`; returns their paths.

    Raises LabkitError, and OSError where the folder cannot be written.
    """
    for each in (image, hub_image):
        if ":" not in each.rpartition("/")[2]:
            raise LabkitError(TEXT["no_tag"].format(image=each))
    recipe = _recipe(variant, cards, context)
    folder.mkdir(parents=True, exist_ok=True)
    service, values = folder / "rayservice.yaml", folder / "jupyterhub-values.yaml"
    manifests = kubernetes.manifests(recipe, image, least, most)
    service.write_text(_yaml(*manifests), "utf-8")
    values.write_text(_yaml(kubernetes.hub_values(hub_image, learners)), "utf-8")
    return [service, values]


class _Plain(yaml.SafeDumper):
    """What stands twice is written twice, and a text of several lines as it is."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Plain.add_representer(str, _text)


def _yaml(*documents: dict[str, Any]) -> str:
    return yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, width=110)


def _recipe(variant: str, cards: int, context: int) -> Recipe:
    known = catalog.variants("vllm")
    if variant == POCKET:
        others = ", ".join(each for each in known if each != POCKET)
        raise LabkitError(TEXT["pocket"].format(known=others))
    if variant in known:
        return recipe_for_variant(variant, cards=cards, context=context)
    return recipe_for(variant, "cuda")
