"""Our batched Muon against torch's own: the same steps."""

import torch

from pocket.recipe.muon import Muon, orthogonalize


def test_same_steps_as_torch() -> None:
    torch.manual_seed(0)
    shapes = [(32, 16), (16, 32), (32, 16), (24, 24)]
    ours = [torch.randn(s, requires_grad=True) for s in shapes]
    theirs = [p.detach().clone().requires_grad_() for p in ours]
    a = Muon(ours, lr=0.01)
    b = torch.optim.Muon(theirs, lr=0.01, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        a.step()
        b.step()
    for p, q in zip(ours, theirs, strict=True):
        assert torch.allclose(p, q, atol=2e-3)
        assert not torch.allclose(p, torch.zeros_like(p), atol=0.1)


def test_orthogonalize_brings_singular_values_near_one() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalize(torch.randn(3, 20, 50)).float())
    assert values.min() > 0.5 and values.max() < 1.4
