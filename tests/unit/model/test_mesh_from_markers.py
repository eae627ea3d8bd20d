import numpy as np
import pytest
import torch

from meshgait_model.config.network import MeshConfig
from meshgait_model.nn.mesh import MarkerMesh, TrustedPoints

RNG = np.random.default_rng(0)
COEFFICIENTS = RNG.dirichlet(np.ones(8), 50) * 1.2 - 0.2 / 8
POINTS = torch.tensor(RNG.normal(size=(2, 3, 12, 3))).float()
SURE = torch.tensor(RNG.random((2, 3, 12))).float()
FORMS = ["fixed", "learned", "adaptive"]


def made(form: str, *, trained: bool) -> MarkerMesh:
    torch.manual_seed(0)
    mesh = MarkerMesh(COEFFICIENTS, 12, MeshConfig(form=form, rank=4))
    if trained:
        for weight in mesh.parameters():
            torch.nn.init.normal_(weight, std=0.1)
    return mesh


@pytest.mark.parametrize("form", FORMS)
def test_the_mesh_begins_near_what_the_marker_set_says(form):
    expected = np.einsum("vk,btkx->btvx", COEFFICIENTS, POINTS[:, :, 4:].numpy())
    found = made(form, trained=False)(POINTS, torch.full_like(SURE, 0.2)).detach().numpy()
    # The adaptive form believes what it sees, but not all of it.
    np.testing.assert_allclose(found, expected, atol=0.3 if form == "adaptive" else 1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_the_mesh_moves_turns_and_grows_with_the_points(form):
    mesh = made(form, trained=True)
    turn, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
    turn, shift = torch.tensor(turn).float(), torch.tensor([3.0, -1, 2])
    expected = mesh(POINTS, SURE) @ turn * 2.5 + shift
    torch.testing.assert_close(mesh(POINTS @ turn * 2.5 + shift, SURE), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_some_vertices_are_those_of_the_whole_mesh(form):
    mesh, ids = made(form, trained=True), torch.tensor([7, 0, 33])
    torch.testing.assert_close(mesh(POINTS, SURE, ids), mesh(POINTS, SURE)[:, :, ids])


def test_only_the_adaptive_mesh_knows_confidence():
    differ = [not torch.equal(m(POINTS, SURE), m(POINTS, SURE / 3)) for m in (made(f, trained=True) for f in FORMS)]
    assert differ == [False, False, True]


@pytest.mark.parametrize("form", FORMS)
def test_only_the_plain_mesh_gives_points_a_gradient(form):
    points, sure = POINTS.clone().requires_grad_(), SURE.clone().requires_grad_()
    mesh = made(form, trained=True)
    found = mesh(points, sure)
    assert found.requires_grad
    (found.sum() + mesh.plain(points.detach()).sum()).backward()
    assert (points.grad is None) == (form != "fixed")
    assert sure.grad is None
    torch.testing.assert_close(mesh.plain(POINTS), made("fixed", trained=False)(POINTS, SURE))


def test_the_guess_is_the_conditional_mean_of_the_model():
    """Against the textbook: Gaussian bodies with an unknown place, seen with noise of known variance."""
    torch.manual_seed(0)
    model = TrustedPoints(12, 4).double()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    points, sure = POINTS[0, 0].double(), SURE[0, 0].double()
    basis, rest = model.basis.detach().numpy(), np.exp(model.log_rest.detach().numpy())
    noise = np.exp((model.log_noise - model.sureness * ((sure + 1e-6) / 0.05).log()).detach().numpy())
    prior = basis @ basis.T + np.diag(rest)
    weight = 1 / (noise + rest)
    centre = weight @ points.numpy() / weight.sum()
    expected = centre + prior @ np.linalg.solve(prior + np.diag(noise), points.numpy() - centre)
    np.testing.assert_allclose(model(points, sure).detach().numpy(), expected, atol=1e-9)


def test_points_in_one_place_have_finite_gradients():
    model = TrustedPoints(12, 4)
    model(torch.zeros(2, 12, 3), torch.zeros(2, 12)).sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


def test_what_is_learned_is_small():
    sizes = [
        sum(w.numel() for w in MarkerMesh(np.zeros((6890, 64)), 88, MeshConfig(form=f)).parameters()) for f in FORMS
    ]
    assert sizes[0] == 0
    assert sizes[2] < 20_000
