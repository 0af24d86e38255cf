"""The end of a training: what all words have in common is settled, and the log says of the finished models what it said of others."""

from asrkit import families
from asrkit.runtime import ordered_map
from asrkit.words.training import accumulate, log_entry


def finish_words(family_name, family_config, trained, groups, jobs=1, codebook=None, run=None):
    """Settle what all words of a vocabulary have in common, once all of them are trained.

    Parameters
    ----------
    trained : dict of str to (WordModel, list of dict)
        As `train_words` gives it, for all words.
    groups : list of dict of str to BlockSource
        The words' training utterances; what stands in one group is accumulated in one process.
    codebook : Codebook or None
        Of families whose observations are codes.
    run : asrkit.words.spread.Spread, optional
        Who accumulates all words together.

    Returns
    -------
    dict of str to (WordModel, list of dict)
        `trained` itself where there is nothing to settle. Else each word has an entry more, of its finished model: the
        likelihood of its data falls by what the words share, and the way in which its training ended stays.
    """
    family = families.load(family_name)
    models = {word: model for word, (model, _) in trained.items()}
    methods = {word: entries[-1]["method"] for word, (_, entries) in trained.items()}
    sums = None
    if family.finishes_by_sums(family_config):
        sums = all_sums(models, methods, groups, jobs, run)
    finished = family.finish(models, family_config, sums, codebook)
    if finished is models:
        return trained
    sums = all_sums(finished, methods, groups, jobs, run)
    return {
        word: (model, [*trained[word][1], final_entry(models[word], model, sums[word], trained[word][1][-1])])
        for word, model in finished.items()
    }


def final_entry(before, model, stats, last):
    """Make the entry of a finished model from its sums, the model before it and that one's entry."""
    removed = before.components - model.components
    entry = log_entry(model, stats, last["method"], last["phase"] + 1, last["iteration"] + 1, removed)
    return {**entry, **{name: last[name] for name in ("word", "start", "ending")}}


def all_sums(models, methods, groups, jobs, run=None):
    """Accumulate every word's model over its data: dict of str to WordStats."""
    if run is not None:
        data = {word: source for group in groups for word, source in group.items()}
        wanted = {(word, 0): (models[word], methods[word]) for word in data}
        return {word: stats for (word, _), stats in run.accumulate(wanted, data).items()}
    work = [({(word, 0): (models[word], methods[word]) for word in group}, group) for group in groups]
    parts = ordered_map(_group_sums, work, jobs=jobs, label="groups of words, finished")
    return {word: stats for part in parts for (word, _), stats in part.items()}


def _group_sums(item):
    return accumulate(*item)
