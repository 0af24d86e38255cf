import itertools

import numpy as np
import pytest
from lesson import run


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    return run("11_dhmm", tmp_path_factory.mktemp("lesson"))


def scores_of_all_paths(model, row):
    """ln p(x, path) of every path, by going through them."""
    found = {}
    for path in itertools.product(range(model.num_states), repeat=len(row)):
        steps = model.log_trans[path[:-1], path[1:]].sum() + model.emission.log_probs[path, row].sum()
        found[path] = model.log_start[path[0]] + steps + model.log_exit[path[-1]]
    return found


def test_the_start_is_what_was_counted(lesson):
    """Of the first recording, ten frames, states have frames 0-3, 4-6, 7-9."""
    assert lesson["cuts"][0].tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert lesson["same"] < 1e-12
    stays = sum(np.bincount(cut, minlength=3) - 1 for cut in lesson["cuts"])
    np.testing.assert_allclose(np.exp(np.diag(lesson["by_hand"].log_trans)), stays / (stays + 5))


def test_the_hill_has_its_top_at_the_relative_frequency(lesson):
    for (a, b), top in lesson["hills"].items():
        assert abs(top - a / (a + b)) <= 1e-3


def test_the_trellis_finds_the_best_of_all_paths(lesson):
    found, model, row = lesson["trellis"], lesson["floored"][0].model, lesson["toy"][2]
    scores = scores_of_all_paths(model, row)
    best = max(scores, key=scores.get)
    assert abs(found.score - scores[best]) < 1e-9
    assert found.path.tolist() == lesson["path"] == list(best)
    np.testing.assert_allclose(found.delta, lesson["D"], rtol=1e-9)
    np.testing.assert_allclose(found.delta[0], model.log_start + model.emission.log_probs[:, row[0]])


def test_training_rises_to_a_fixed_point(lesson):
    """The last model's best paths, counted, are the last model."""
    for own in (lesson["steps"], *lesson["trained"].values(), *lesson["starts"]):
        assert (np.diff([step.objective for step in own]) > -1e-9).all()
    start, A, leave, B = lesson["count"](lesson["toy"], lesson["aligned"], 3, 4)
    last = lesson["last"]
    for own, log_prob in ((start, last.log_start), (A, last.log_trans), (leave, last.log_exit)):
        np.testing.assert_allclose(np.exp(log_prob), own, atol=1e-12)
    np.testing.assert_allclose(np.exp(last.emission.log_probs), B, atol=1e-12)
    np.testing.assert_allclose(lesson["entry"], [0.6, 0.4, 0])
    assert [path[0] for path in lesson["aligned"]] == [0, 0, 1, 0, 1]
    for step in lesson["steps"]:
        scores = [lesson["study"].trellis(step.model, row).score for row in lesson["toy"]]
        assert abs(sum(scores) - step.objective) < 1e-9


def test_starts_differ_and_training_tells_words_apart(lesson):
    assert lesson["ends"].max() > lesson["ends"].min() + 1e-3
    assert lesson["errors"] <= lesson["errors_before"]
    assert lesson["errors"] < 0.3 * len(lesson["held"])
    assert lesson["entropy_bits"]["trained"] < lesson["entropy_bits"]["equal parts"]
    assert lesson["figures"] == 7
