"""Averages for the first guess: less noise, no lag, no walk mixed with another."""

import torch
from torch.testing import assert_close

from meshgait_data.fit.batch import Layout
from meshgait_data.fit.settle import settle

LAYOUT = Layout.of((30, 1, 20))
SECONDS = torch.cat([torch.arange(length, dtype=torch.float64) / 30 for length in LAYOUT.lengths])
SEEN = torch.ones(51, 2, dtype=torch.float64)


def _targets() -> torch.Tensor:
    """Points at an even pace, each capture somewhere else."""
    return (10.0 * LAYOUT.capture + SECONDS)[:, None, None].expand(-1, 2, 3).clone()


def test_noise_is_averaged_away() -> None:
    clean = _targets()
    noise = 0.01 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = settle(LAYOUT, SECONDS, clean + noise, SEEN, torch.full((3,), 0.01, dtype=torch.float64))
    inner = slice(6, 24)
    assert (found - clean)[inner].std() < 0.6 * noise[inner].std()


def test_an_even_pace_is_kept_and_captures_do_not_mix() -> None:
    found = settle(LAYOUT, SECONDS, _targets(), SEEN, torch.full((3,), 0.01, dtype=torch.float64))
    assert_close(found[6:24], _targets()[6:24], atol=1e-12, rtol=0)
    assert_close(found[30], _targets()[30])
    assert (found - _targets()).abs().max() < 0.1


def test_clean_points_stay() -> None:
    found = settle(LAYOUT, SECONDS, _targets(), SEEN, torch.full((3,), 1e-5, dtype=torch.float64))
    assert_close(found, _targets(), atol=1e-9, rtol=0)


def test_unseen_points_do_not_count_and_are_filled_in_where_neighbours_are_seen() -> None:
    targets, seen = _targets(), SEEN.clone()
    targets[10, 0], seen[10, 0] = 1000.0, 0.0
    targets[30], seen[30] = 7.0, 0.0
    found = settle(LAYOUT, SECONDS, targets, seen, torch.full((3,), 0.01, dtype=torch.float64))
    assert_close(found[10], _targets()[10], atol=1e-9, rtol=0)
    assert_close(found[30], targets[30])
