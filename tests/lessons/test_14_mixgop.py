import numpy as np
from lesson import check
from scipy import stats


def test_lesson(tmp_path):
    check("14_mixgop", tmp_path, globals())


def check_the_formula_is_the_commands(lesson):
    """Written by hand, and by `asrkit mixgop train` and PronunciationScorer."""
    assert lesson["difference"] < 1e-4
    for own, value in zip(lesson["by_command"], lesson["by_hand"]["posterior"]):
        assert abs(own.posterior - value) < 1e-4


def check_scores_are_bayes(lesson):
    names, log_each = lesson["names"], []
    found = lesson["tokens"]["S"][:5]
    for mean, variance in zip(lesson["means"], lesson["variances"]):
        log_each.append(stats.norm(mean, np.sqrt(variance)).logpdf(found).sum(axis=1))
    each, s = np.exp(np.array(log_each).T), names.index("S")
    scores, rivals = lesson["score"](found, ["S"] * 5)
    counts = np.array([len(own) for own in lesson["tokens"].values()])
    np.testing.assert_allclose(np.exp(scores["loglik"]), each[:, s], rtol=1e-9)
    posterior = each[:, s] * counts[s] / (each * counts).sum(axis=1)
    np.testing.assert_allclose(np.exp(scores["posterior"]), posterior, rtol=1e-9)
    others = np.delete(each, s, axis=1)
    np.testing.assert_allclose(np.exp(scores["ratio"]), each[:, s] / others.max(axis=1), rtol=1e-9)
    assert rivals == [name for i in others.argmax(axis=1) for name in [np.delete(names, s)[i]]]


def check_components_are_allophones(lesson):
    """Nobody told the mixture which T begins a word and which ends one."""
    from sklearn.metrics import normalized_mutual_info_score

    assert normalized_mutual_info_score(lesson["around"], lesson["gamma"].argmax(axis=1)) > 0.5
    plane = lesson["plane"]
    expected = stats.multivariate_normal(plane.mean(axis=0), np.cov(plane.T, bias=True)).logpdf(plane).mean()
    assert abs(lesson["one"].per_frame - expected) < 1e-4 and lesson["two"].per_frame > expected


def check_areas_are_those_of_roc_curves(lesson):
    from sklearn.metrics import roc_auc_score

    for kind, areas in lesson["areas"].items():
        worse, better = lesson["tested"][kind], lesson["tested"]["right"]
        truth = np.repeat([1, 0], [len(worse), len(better)])
        for i, area in enumerate(areas):
            assert abs(roc_auc_score(truth, -np.concatenate([worse[:, i], better[:, i]])) - area) < 1e-9
    exchanged, muffled = lesson["areas"]["exchanged"], lesson["areas"]["muffled"]
    assert exchanged[1] > exchanged[0] + 0.05 and muffled[0] > muffled[1] + 0.05
    assert lesson["figures"] == 3
