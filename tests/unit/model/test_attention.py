"""Attention in merged pieces equals attention over everything at once, in every form."""

from __future__ import annotations

import math
import weakref

import pytest
import torch

from nemo_docs.kv.cache import Blocks, Past
from nemo_docs.model.attention import attend, in_one_softmax, plain

H, K, D = 4, 2, 8

every_form = pytest.mark.parametrize("form", [attend, in_one_softmax])


def whole(q, k, v, seen):
    """Softmax over all keys at once. Shapes: q [H, T, D]; k, v [K, S, D]; seen [T, S]."""
    k, v = k.repeat_interleave(H // K, 0), v.repeat_interleave(H // K, 0)
    scores = (q @ k.transpose(1, 2)) * D**-0.5
    return scores.masked_fill(~seen, float("-inf")).softmax(-1) @ v


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@every_form
@pytest.mark.parametrize("cuts", [[0], [5], [300], [2, 3, 100]])
@pytest.mark.parametrize("tokens", [1, 6])
def test_pieces_of_a_past_merge_to_the_whole(form, cuts, tokens):
    total = sum(cuts) + tokens
    q, k, v = random(H, tokens, D), random(K, total, D), random(K, total, D)
    past, at = [], 0
    for size in (*cuts[:-1], cuts[-1] + tokens):
        past.append(Past(k[:, at : at + size], v[:, at : at + size]))
        at += size
    seen = torch.ones(tokens, total, dtype=torch.bool).tril(total - tokens)
    got = form(q, past)
    torch.testing.assert_close(got, whole(q, k, v, seen), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tokens", [1, 6])
def test_pieces_made_on_demand_are_made_once_and_let_go(tokens):
    q, k, v = random(H, tokens, D), random(K, 40 + tokens, D), random(K, 40 + tokens, D)
    made = []

    def load(start, end):
        assert sum(each() is not None for each in made) <= 1, "beside the piece at hand there is none"
        piece = Past(k[:, start:end].clone(), v[:, start:end].clone())
        made.append(weakref.ref(piece.k))
        return piece

    got = attend(q, Blocks(load, (0, 10, 20, 30, 40 + tokens)))
    assert len(made) == 4
    torch.testing.assert_close(got, attend(q, [Past(k, v)]), atol=1e-5, rtol=1e-5)


@every_form
def test_mask_says_who_sees_whom(form):
    q, k, v = random(H, 5, D), random(K, 9, D), random(K, 9, D)
    own = torch.eye(5, dtype=torch.bool) | (torch.arange(5) == 0)
    got = form(q, [Past(k, v)], own)
    seen = torch.cat((torch.ones(5, 4, dtype=torch.bool), own), dim=1)
    torch.testing.assert_close(got, whole(q, k, v, seen), atol=1e-5, rtol=1e-5)


@every_form
def test_weight_of_a_piece_multiplies_its_scores(form):
    q, k, v = random(H, 1, D), random(K, 9, D), random(K, 9, D)
    got = form(q, [Past(k[:, :4], v[:, :4], log_weight=math.log(3.0)), Past(k[:, 4:], v[:, 4:])])
    thrice = whole(q, torch.cat((k[:, :4],) * 3 + (k[:, 4:],), 1), torch.cat((v[:, :4],) * 3 + (v[:, 4:],), 1),
                   torch.ones(1, 17, dtype=torch.bool))  # fmt: skip
    torch.testing.assert_close(got, thrice, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("causal", [True, False])
def test_plain_form_in_slices_equals_the_fused_one(causal, monkeypatch):
    monkeypatch.setattr("nemo_docs.model.attention.PLAIN_SCORE_ELEMENTS", 7 * H * 3)
    q, k, v = random(H, 7, D), random(H, 7, D), random(H, 7, D)
    out, lse = plain(q, k, v, causal=causal, mask=None)
    wanted, wanted_lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        q[None], k[None], v[None], 0.0, causal
    )
    torch.testing.assert_close(out, wanted[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(lse, wanted_lse[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tokens", [1, 6])
def test_bf16_is_as_near_as_its_eight_bits_allow(tokens):
    q, k, v = random(H, tokens, D), random(K, 40, D), random(K, 40, D)
    seen = torch.ones(tokens, 40, dtype=torch.bool).tril(40 - tokens)
    narrow = [tensor.bfloat16() for tensor in (q, k, v)]
    wanted = whole(*(tensor.float() for tensor in narrow), seen)
    got = attend(narrow[0], [Past(*narrow[1:])]).float()
    assert (got - wanted).norm() < 0.01 * wanted.norm()
