from asrkit.evaluation.mislabelled import probably_mislabelled

REFS = {f"ann-{k:02}": "yes" for k in range(20)} | {f"bob-{k:02}": "no" for k in range(20)}
SPEAKERS = {utt: utt[:3] for utt in REFS}


def heard(wrong, p=0.99, word="maybe"):
    return {**REFS, **dict.fromkeys(wrong, word)}, {**dict.fromkeys(REFS, 0.99), **dict.fromkeys(wrong, p)}


def names(*systems, **settings):
    return [one.utt for one in probably_mislabelled(REFS, SPEAKERS, systems, **settings)]


def test_what_is_surely_another_word_is_listed_the_surest_first():
    hyps, known = heard(["ann-01", "bob-07"])
    known["bob-07"] = 0.95
    found = probably_mislabelled(REFS, SPEAKERS, [(hyps, known)])
    assert [(one.utt, one.said, one.heard, one.p) for one in found] == [
        ("ann-01", "yes", "maybe", 0.99), ("bob-07", "no", "maybe", 0.95),
    ]  # fmt: skip
    known["ann-01"] = 0.5
    assert names((hyps, known)) == ["bob-07"]


def test_how_a_speaker_says_a_word_is_no_wrong_label():
    assert names(heard([f"ann-{k:02}" for k in range(10)])) == []
    assert names(heard(["ann-00", "ann-01"])) == ["ann-00", "ann-01"], "two of twenty may be"


def test_all_systems_that_know_how_sure_they_are_must_agree():
    one, other = heard(["ann-01", "ann-02"]), heard(["ann-02"])
    assert names(one, other) == ["ann-02"]
    assert names(one, heard(["ann-02"], word="never")) == []
    assert names(one, (other[0], {})) == ["ann-01", "ann-02"], "who does not know is not asked"
    assert names((one[0], {})) == []


def test_a_rejected_word_is_no_other_word():
    assert names(heard(["ann-01"], word="<unk>")) == []
    hyps, known = heard(["ann-01"])
    del hyps["ann-01"], known["ann-01"]
    assert names((hyps, known)) == []
