import numpy as np
from lesson import check
from scipy import stats


def test_lesson(tmp_path):
    check("13_homework", tmp_path, globals())


def check_the_task_is_the_courses_size(lesson):
    assert (len(lesson["train"]), len(lesson["test"]), len(lesson["words"])) == (330, 110, 11)
    assert not {own.speaker for own in lesson["train"]} & {own.speaker for own in lesson["test"]}


def check_one_gaussian_a_word_is_the_closed_form(lesson):
    """Mean and variance of each word's frames; the sum of log densities decides."""
    frontend = lesson["model"].recognizer_.frontend

    def with_slopes(x):
        return [np.asarray(own, float) for own in frontend.model_features(x, [None] * len(x))]

    x_train, x_test = with_slopes(lesson["x_train"]), with_slopes(lesson["x_test"])
    sums = np.zeros((len(x_test), len(lesson["words"])))
    for w, word in enumerate(lesson["words"]):
        own = np.concatenate([x for x, y in zip(x_train, lesson["y_train"]) if y == word])
        normal = stats.norm(own.mean(axis=0), own.std(axis=0))
        sums[:, w] = [normal.logpdf(x).sum() for x in x_test]
    np.testing.assert_allclose(lesson["scores"][1], sums, rtol=1e-5)
    own = np.searchsorted(lesson["words"], lesson["y_test"])
    assert lesson["errors"][1][1] == np.sum(sums.argmax(axis=1) != own)
    fit = sums[np.arange(len(own)), own].sum() / sum(map(len, x_test))
    assert abs(lesson["per_frame"][1][1] - fit) < 1e-3


def check_more_gaussians_fit_the_training_ever_better(lesson):
    training, test = np.array([lesson["per_frame"][k] for k in lesson["sizes"]]).T
    assert (np.diff(training) > 0).all()
    assert training[-1] - test[-1] > 1 > abs(training[0] - test[0])
    assert lesson["errors"][32][0] < lesson["errors"][1][0]


def check_intervals_are_wilsons(lesson):
    for k in lesson["sizes"]:
        wilson = stats.binomtest(lesson["errors"][k][1], 110).proportion_ci(method="wilson")
        np.testing.assert_allclose(lesson["interval"][k], [100 * wilson.low, 100 * wilson.high], atol=0.01)
        assert abs(lesson["rate"][k] - lesson["errors"][k][1] / 1.1) < 1e-9
    assert lesson["first"].confusion.sum() == 110
    assert np.sum(lesson["lead"][16] < 0) == lesson["errors"][16][1]
    assert lesson["figures"] == 4
