import numpy as np
import torch

from meshgait_model.losses import batch_all_triplet, label_l1, strip_cross_entropy


def test_triplet_equals_the_sum_over_all_triplets():
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(8, 3, 5, generator=generator) * 0.3
    identities = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    means = []
    for strip in range(3):
        terms = []
        for a in range(8):
            for p in range(8):
                for n in range(8):
                    if a != p and identities[a] == identities[p] and identities[a] != identities[n]:
                        x = embeddings[:, strip]
                        terms.append(max(float((x[a] - x[p]).norm() - (x[a] - x[n]).norm() + 0.2), 0))
        hard = [term for term in terms if term > 0]
        means.append(sum(hard) / len(hard))
    np.testing.assert_allclose(batch_all_triplet(embeddings, identities, 0.2), np.mean(means), rtol=1e-5)


def test_triplet_of_far_people_is_zero_and_equal_ones_have_finite_gradients():
    embeddings = torch.tensor([[0.0], [0.0], [9.0], [9.0]])[:, None].requires_grad_()
    loss = batch_all_triplet(embeddings, torch.tensor([0, 0, 1, 1]), 0.2)
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(embeddings.grad).all()


def test_cross_entropy_falls_as_the_right_cosine_rises():
    def loss(value, smoothing=0.0):
        cosines = torch.tensor([[[value, 0.0, 0.0]]])
        return strip_cross_entropy(cosines, torch.tensor([0]), scale=16, smoothing=smoothing).item()

    scores = np.log(np.exp([16.0, 0, 0]).sum()) - np.array([16.0, 0, 0])
    np.testing.assert_allclose(loss(1.0, 0.1), scores @ [0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3], rtol=1e-5)
    assert loss(0.3) < loss(0.2) < loss(0.0)


def test_rejected_frames_do_not_count():
    predicted, target = torch.zeros(1, 3, 2, 3), torch.full((1, 3, 2, 3), 32.0)
    target[0, 2] = 1e6
    valid = torch.tensor([[True, True, False]])
    assert label_l1(predicted, target, valid, 64).item() == 0.5
    assert label_l1(predicted, target, torch.zeros(1, 3, dtype=torch.bool), 64).item() == 0
