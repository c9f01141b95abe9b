"""Train the twin from nothing on one GPU:

    python -m pocket.recipe.train --out pocket/weights      # 19 minutes

The clock sets the pace: the learning rate falls to zero when the minutes are over, on any GPU. The weights
are written ten times on the way, and a run can be split, or go on where a machine was taken back:
`--until 0.5`, then `--resume 0.5`. Needs torch, numpy, Pillow, PyYAML, matplotlib (fonts), tiktoken and
safetensors; mistral-common too, or `--tekken`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.attention.flex_attention import create_block_mask
from torch.utils.data import DataLoader

from pocket import WEIGHTS
from pocket.recipe.export import export
from pocket.recipe.mixture import SKILLS, Rows
from pocket.recipe.model import Batch, Twin, dense_masks
from pocket.recipe.muon import Muon
from pocket.recipe.sample import TEST

SMOOTHING = 0.01
"""A hundredth of the certainty is spread over all tokens. Greedy answers do not change; sampled ones fall
apart when the temperature rises past 1, as those of a large model do."""

block_mask = torch.compile(create_block_mask, dynamic=False)


def masks(batch: Batch) -> tuple[Any, Any]:
    """Text: the same sample and not later. Pictures: the same picture."""
    if batch.tokens.device.type == "cpu":
        return dense_masks(batch)
    rows, length = batch.tokens.shape
    patches = batch.patches.shape[1]
    sample, image = batch.sample, batch.image

    def text(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return (sample[b, q] == sample[b, k]) & (q >= k)

    def picture(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return image[b, q] == image[b, k]

    device = batch.tokens.device
    return (
        block_mask(text, rows, None, length, length, device=device),
        block_mask(picture, rows, None, patches, patches, device=device),
    )


def optimizers(model: nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the rest."""
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, p in model.named_parameters():
        inside = p.ndim == 2 and "embed_tokens" not in name and "lm_head" not in name
        (matrices if inside else rest).append(p)
    return [
        Muon(matrices, lr=rate),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def pace(done: float) -> float:
    """Share of the full learning rate when `done` (0 to 1) of the time is over: level, then down to zero."""
    return max(0.0, min(1.0, (1 - done) / 0.55))


def examine(model: Any, rows: Iterator[Batch], device: str, batches: int) -> dict[str, list[bool]]:
    """Skill to right or wrong per sample of the exam's split: every token of the answer is the likeliest."""
    names, right = list(SKILLS), defaultdict(list)
    for _ in range(batches):
        batch = next(rows).to(device)
        with torch.autocast(device, torch.bfloat16):  # with gradients, or it would compile once more
            hit = model(batch, *masks(batch)).argmax(-1) == batch.targets
        verdict: dict[tuple[int, int], bool] = defaultdict(lambda: True)
        for owner, skill, ok in zip(batch.owner.tolist(), batch.skill.tolist(), hit.tolist(), strict=True):
            if owner >= 0:
                verdict[skill, owner] &= ok
        for (skill, _), ok in verdict.items():
            right[names[skill]].append(ok)
    return right


def report(right: dict[str, list[bool]]) -> str:
    return "  ".join(f"{name} {100 * sum(v) / len(v):.0f}/{len(v)}" for name, v in sorted(right.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=19.0, help="how long the whole training takes")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder for the weights")
    parser.add_argument("--config", type=Path, default=WEIGHTS / "config.json")
    parser.add_argument("--tekken", type=Path, help="tekken.json; cut from mistral-common's where not given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", type=float, default=0.0, help="share of the way that --out has behind it")
    parser.add_argument("--until", type=float, default=1.0, help="share of the way at which to stop")
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    args = parser.parse_args()
    config = json.loads(args.config.read_text())
    if not args.tekken:
        from pocket.formats import tekken

        args.tekken = Path("/tmp/pocket-tekken.json")
        args.tekken.write_bytes(tekken(config))
    train(args, config, "cuda" if torch.cuda.is_available() else "cpu")


def train(args: argparse.Namespace, config: dict[str, Any], device: str) -> None:
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    start = time.monotonic()

    def stream(workers: int, **kwargs: Any) -> Iterator[Batch]:
        loader = DataLoader(
            Rows(args.tekken, f"{args.seed}/{args.resume}", **kwargs),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=2,
            pin_memory=device == "cuda",
        )
        return iter(loader)

    way = torch.tensor(args.resume).share_memory_()
    rows, exam = stream(args.workers, primer=0 if args.resume else 2000, done=way), stream(1, split=TEST)
    model = Twin(config).to(device)
    if args.resume:
        files = sorted(args.out.glob("*.safetensors"))
        model.load_state_dict({name: t.float() for f in files for name, t in load_file(f).items()})
    if device == "cuda":
        for layer in (*model.vision_tower.transformer.layers, *model.language_model.model.layers):
            layer.compile(dynamic=False)  # one kind of layer compiles once: half a minute instead of two
    opts = optimizers(model, args.rate)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters on {device}", flush=True)

    step, waited, losses, next_exam = 0, 0.0, torch.zeros((), device=device), args.resume + 0.1
    while (done := args.resume + (time.monotonic() - start) / (60 * args.minutes)) < args.until:
        way.fill_(done)
        before = time.monotonic()
        batch = next(rows).to(device)
        waited += time.monotonic() - before
        for opt in opts:
            for group in opt.param_groups:
                group["lr"] = args.rate * pace(done) * min(1.0, (step + 1) / 200)
        with torch.autocast(device, torch.bfloat16):
            logits = model(batch, *masks(batch))
        loss = F.cross_entropy(logits.float(), batch.targets, label_smoothing=SMOOTHING, ignore_index=-100)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt in opts:
            opt.step()
            opt.zero_grad()
        losses += loss.detach()
        step += 1
        if step % 200 == 0:
            print(
                f"{time.monotonic() - start:6.0f} s  step {step:6}  loss {losses.item() / 200:.4f}"
                f"  waited {waited:.0f} s for data",
                flush=True,
            )
            losses.zero_()
        if done > next_exam:
            next_exam += 0.1
            export(model, config, args.out)
            print("exam:", report(examine(model, exam, device, 2)), flush=True)
    export(model, config, args.out)
    print(f"{step} steps in {(time.monotonic() - start) / 60:.1f} min; weights in {args.out}", flush=True)
    print("exam:", report(examine(model, exam, device, 12 if device == "cuda" else 1)), flush=True)


if __name__ == "__main__":
    main()
