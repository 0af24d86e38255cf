"""Re-estimate a model from statistics: MODEL, STATS -> OUT. With --grow the mixtures are split once
afterwards.
"""

from dataclasses import replace

from asrkit.cli.commands.acc_stats import empty_block, model_hash
from asrkit.config import add_flag
from asrkit.errors import DataError
from asrkit.io.model_file import read_model, read_stats, write_model

EXAMPLE = "example: asrkit est-model exp/chmm/0.npz exp/chmm/0.acc exp/chmm/1.npz"


def add_arguments(parser):
    parser.add_argument("model", metavar="MODEL", help="the model that the statistics were made with")
    parser.add_argument("stats", metavar="STATS", help="file of asrkit acc-stats or sum-accs")
    parser.add_argument("out", metavar="OUT", help="file for the new model")
    add_flag(parser, "grow", False, "then split the mixtures, up to the model's number of Gaussians")


def main(args):
    model_set = read_model(args.model)
    sums, belongs = read_stats(args.stats)
    if belongs != model_hash(args.model):
        raise DataError(f"{args.stats}: made with another model than {args.model} (accumulate with this one)")
    config, empty = model_set.family_config, empty_block(model_set)
    models, log_like, frames = {}, 0.0, 0
    for word, model in model_set.models.items():
        try:
            stats = model.accumulate(empty).filled(sums[word])
        except (KeyError, ValueError) as error:
            raise DataError(
                f"{args.stats}: no statistics of this model: word '{word}': {error} (accumulate again)"
            ) from None
        log_like, frames = log_like + stats.log_like, frames + stats.frames
        models[word] = model.estimate(stats, config)
        if args.grow:
            models[word] = models[word].grow(stats, config) or models[word]
    write_model(args.out, replace(model_set, models=models))
    print(f"Overall log-likelihood per frame is {log_like / max(frames, 1):.5f} over {frames} frames.")
    print(f"estimated {len(models)} words in {args.out}")
    return 0
