import numpy as np
from lesson import check
from scipy import stats


def test_lesson(tmp_path):
    check("12_chmm", tmp_path, globals())


def in_probabilities(model, x):
    """Start, transitions, exit, and each frame's densities by state: scipy's, times exp(80) to stay in range."""
    emission = model.emission
    shares, deviations = np.exp(emission.log_weights), np.sqrt(emission.variances)
    density = np.stack([
        sum(
            shares[j, m] * np.exp(stats.norm(emission.means[j, m], deviations[j, m]).logpdf(x).sum(axis=1) + 80)
            for m in range(shares.shape[1])
            if shares[j, m] > 0
        )
        for j in range(len(shares))
    ], axis=1)  # fmt: skip
    return np.exp(model.log_start), np.exp(model.log_trans), np.exp(model.log_exit), density


def check_forward_and_backward_are_the_recursions(lesson):
    start, transitions, leave, density = in_probabilities(lesson["model"], lesson["x"])
    alpha, scale = np.zeros(density.shape), np.zeros(len(density))
    beta = np.zeros(density.shape)
    for t, b in enumerate(density):
        alpha[t] = (start if t == 0 else alpha[t - 1] @ transitions) * b
        scale[t] = alpha[t].sum()
        alpha[t] /= scale[t]
    beta[-1] = leave
    for t in range(len(density) - 2, -1, -1):
        beta[t] = transitions @ (density[t + 1] * beta[t + 1]) / scale[t + 1]
    log_p = np.log(scale).sum() + np.log(alpha[-1] @ leave) - 80 * len(density)
    np.testing.assert_allclose(lesson["total"], log_p, atol=1e-6)
    gamma = alpha * beta
    gamma /= gamma.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(lesson["gamma"], gamma, atol=1e-8)
    xi = alpha[:-1, :, None] * transitions * (density[1:] * beta[1:] / scale[1:, None])[:, None]
    xi /= xi.sum(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(lesson["xi"], xi, atol=1e-8)


def check_the_best_path_is_viterbis(lesson):
    start, transitions, leave, density = in_probabilities(lesson["model"], lesson["x"])
    with np.errstate(divide="ignore"):
        start, transitions, leave, density = map(np.log, (start, transitions, leave, density))
    delta, back = start + density[0], []
    for b in density[1:]:
        ways = delta[:, None] + transitions
        back.append(ways.argmax(axis=0))
        delta = ways.max(axis=0) + b
    path = [int((delta + leave).argmax())]
    for own in reversed(back):
        path.append(int(own[path[-1]]))
    np.testing.assert_array_equal(lesson["best"].path, path[::-1])
    assert abs(lesson["best"].score - (delta + leave).max() + 80 * len(density)) < 1e-6


def check_each_state_is_passed_once(lesson):
    np.testing.assert_allclose(lesson["passing"].sum(axis=1), 1, atol=1e-9)
    assert abs(lesson["xi"].sum() - (len(lesson["x"]) - 1)) < 1e-9
    used = lesson["gamma"][:-1].sum(axis=0)
    leaving = np.append(lesson["passing"].sum(axis=1), 0)  # the last state is not left but at the end
    np.testing.assert_allclose(lesson["xi"].sum(axis=0).diagonal() + leaving, used, atol=1e-9)


def check_the_objective_rises_between_splits(lesson):
    for before, after in zip(lesson["steps"], lesson["steps"][1:]):
        assert after.phase > before.phase or after.objective >= before.objective - 1e-6
    sizes = list(dict.fromkeys(lesson["gaussians"].tolist()))
    assert sizes[:2] == [6, 12] and 12 < sizes[-1] <= 24


def check_the_frames_differences_make_up_the_lead(lesson):
    """Up to the last step, out of the word."""
    for name, place in lesson["chosen"].items():
        frames = len(lesson["noisy"][lesson["held"][place]][1])
        assert abs(lesson["course"][name][-1] - lesson["lead"][place] * frames) < 10
    assert lesson["errors"] == (lesson["scores"].argmax(axis=1) != lesson["own"]).sum()
    assert lesson["figures"] == 5
