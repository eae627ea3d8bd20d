import numpy as np
import pytest
import torch

from meshgait_model.losses import (
    batch_all_triplet,
    confidence_errors,
    edge_errors,
    normal_errors,
    point_errors,
    strip_cross_entropy,
)

RNG = np.random.default_rng(0)
TRUE = RNG.normal(size=(2, 3, 6, 3))
FOUND = TRUE + 0.1 * RNG.normal(size=TRUE.shape)
FACES = np.array([[0, 1, 2], [1, 2, 3], [5, 4, 3], [0, 5, 2]])


def tensors(*arrays, grad: bool = False) -> list[torch.Tensor]:
    return [torch.tensor(array, requires_grad=grad and i == 0) for i, array in enumerate(arrays)]


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


@pytest.mark.parametrize("identities", [[0, 1, 2, 3], [0, 0, 0, 0]], ids=["nobody twice", "one person"])
def test_triplet_without_triplets_is_zero_with_a_gradient(identities):
    embeddings = torch.randn(4, 2, 3, requires_grad=True)
    loss = batch_all_triplet(embeddings, torch.tensor(identities), 0.2)
    loss.backward()
    assert loss.item() == 0
    assert not embeddings.grad.any()


def test_triplet_keeps_small_distances_far_from_the_origin():
    """Squares less products would lose them: 1000 squared has no room for 0.01 squared in float32."""
    offsets = torch.tensor([0.0, 0.01, 0.03, 0.07])
    embeddings = (1000 + offsets.double())[:, None, None]
    exact = batch_all_triplet(offsets[:, None, None], torch.tensor([0, 0, 1, 1]), 0.2)
    found = batch_all_triplet(embeddings.float(), torch.tensor([0, 0, 1, 1]), 0.2)
    np.testing.assert_allclose(found, exact, atol=2e-4)


def test_triplet_in_half_precision_is_computed_in_full():
    embeddings = (torch.randn(8, 2, 4, generator=torch.Generator().manual_seed(1)) * 300).half()
    identities = torch.arange(4).repeat_interleave(2)
    expected = batch_all_triplet(embeddings.float(), identities, 0.2)
    torch.testing.assert_close(batch_all_triplet(embeddings, identities, 0.2), expected)


def test_cross_entropy_falls_as_the_right_cosine_rises():
    def loss(value, smoothing=0.0):
        cosines = torch.tensor([[[value, 0.0, 0.0]]])
        return strip_cross_entropy(cosines, torch.tensor([0]), scale=16, smoothing=smoothing).item()

    scores = np.log(np.exp([16.0, 0, 0]).sum()) - np.array([16.0, 0, 0])
    np.testing.assert_allclose(loss(1.0, 0.1), scores @ [0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3], rtol=1e-5)
    assert loss(0.3) < loss(0.2) < loss(0.0)


def test_points_by_hand():
    expected = np.abs(FOUND - TRUE).reshape(2, 3, -1).mean(-1)
    np.testing.assert_allclose(point_errors(*tensors(FOUND, TRUE)), expected, rtol=1e-6)


def test_confidence_by_hand():
    probability, inside = RNG.uniform(0.01, 1, (2, 3, 4)), RNG.random((2, 3, 4)) < 0.6
    inside[1, 2] = False
    expected = [
        [-np.mean(np.log(p[i])) if i.any() else 0 for p, i in zip(*frames, strict=True)]
        for frames in zip(probability, inside, strict=True)
    ]
    np.testing.assert_allclose(confidence_errors(*tensors(probability, inside)), expected, rtol=1e-5)


def test_normals_and_edges_by_hand():
    normals, edges = np.zeros((2, 2, 3)), np.zeros((2, 2, 3))
    for b in range(2):
        for t in range(3):
            cosines, differences = [], []
            for face in FACES:
                true, found = TRUE[b, t, face], FOUND[b, t, face]
                normal = np.cross(true[1] - true[0], true[2] - true[0])
                for i, j in ((0, 1), (1, 2), (2, 0)):
                    edge, same = found[j] - found[i], true[j] - true[i]
                    cosines.append(abs(edge @ normal) / np.linalg.norm(edge) / np.linalg.norm(normal))
                    differences.append(abs(np.linalg.norm(edge) - np.linalg.norm(same)))
            normals[0, b, t], edges[0, b, t] = np.mean(cosines), np.mean(differences)
    inputs = (*tensors(FOUND, TRUE), torch.from_numpy(FACES))
    np.testing.assert_allclose(normal_errors(*inputs), normals[0], rtol=1e-4)
    np.testing.assert_allclose(edge_errors(*inputs), edges[0], rtol=1e-4, atol=1e-7)


def test_the_true_mesh_shifted_has_no_error_of_normals_and_edges_and_a_turned_one_has_of_normals():
    true, faces = torch.tensor(TRUE).float(), torch.from_numpy(FACES)
    for error in (normal_errors, edge_errors):
        torch.testing.assert_close(error(true + 0.5, true, faces), torch.zeros(2, 3), atol=1e-6, rtol=0)
    turned = true[..., [1, 2, 0]]
    assert normal_errors(turned, true, faces).min() > 0.1
    torch.testing.assert_close(edge_errors(turned, true, faces), torch.zeros(2, 3), atol=1e-6, rtol=0)


@pytest.mark.parametrize("what", ["a point", "true edges", "the true mesh"])
@pytest.mark.parametrize("error", [point_errors, normal_errors, edge_errors])
def test_degenerate_meshes_have_finite_gradients(error, what):
    """All vertices in one place, predicted and true; a prediction that is right."""
    true = torch.tensor(TRUE).float()
    if what == "true edges":
        true = torch.zeros_like(true)
    found = (true.clone() if what == "the true mesh" else torch.zeros_like(true)).requires_grad_()
    faces = () if error is point_errors else (torch.from_numpy(FACES),)
    value = error(found, true, *faces)
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(found.grad).all()


def test_a_probability_of_zero_has_a_finite_loss():
    probability = torch.tensor([[[0.0, 1e-30, 1.0]]], requires_grad=True)
    value = confidence_errors(probability, torch.ones(1, 1, 3, dtype=torch.bool))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(probability.grad).all()
