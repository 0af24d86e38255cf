"""Hear some utterances of a decoding once more, as it heard them: with what it knew of each speaker by then."""

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from asrkit.features.warp import HearWarpedConfig
from asrkit.io.data_dir import DataDir, subset
from asrkit.io.features import ReadConfig
from asrkit.io.store import Store
from asrkit.models.base import Block
from asrkit.words.adaptation import adapt_to_heard
from asrkit.words.confidence import UNKNOWN
from asrkit.words.decoding import Scorer
from asrkit.words.listener import Listener, heard_frontend, learn_whole
from asrkit.words.listening import CAUSAL, WHOLE, ListenConfig
from asrkit.words.vocabulary import Vocabulary
from asrkit.workflows.decode import features_to_hear, speakers_of


def as_heard(
    vocabulary: Vocabulary,
    data: DataDir,
    facts: Mapping[str, Any],
    hyps: Mapping[str, str],
    wanted: Collection[str],
    folder: Path,
    read: ReadConfig | None = None,
) -> Iterator[tuple[str, np.ndarray, Vocabulary]]:
    """Go through utterances that were decoded, speaker by speaker.

    What the models learn of a speaker is learned anew, without scoring what is not wanted. Of copies with a warped frequency axis the
    recording itself is given.

    Parameters
    ----------
    vocabulary : Vocabulary
        As it was trained.
    data : DataDir
        What was decoded.
    facts : dict
        decode.json.
    hyps : dict of str to str
        What was heard.
    wanted : collection of str
    folder : Path
        Where a temporary file may be made.
    read : ReadConfig, optional

    Yields
    ------
    utt : str
    feats : float32 (T, model_dim)
        What the models saw of it.
    Vocabulary
        As it had been moved to the speaker.
    """
    known = {name: facts[name] for name in ListenConfig.__dataclass_fields__ if name in facts}
    listen = ListenConfig(**known)
    if facts.get("test_warps"):
        listen = replace(listen, adapt="none")
    speakers = {data.speaker(utt) for utt in wanted}
    # what is heard of a speaker hangs on his own recordings alone
    own = subset(
        data, {utt for utt in data.feats or data.segments or data.wav if data.speaker(utt) in speakers}
    )
    features, learns = features_to_hear(vocabulary, own, listen, HearWarpedConfig(), read or ReadConfig())
    if not learns and listen.adapt in ("none", CAUSAL):
        yield from ((utt, feats, vocabulary) for utt, feats in features if utt in wanted)
        return
    store = Store(features, folder)
    for blocks in speakers_of(features.data, store):
        if not learns:
            observed = [
                Block.from_items((utt, vocabulary.observe(x)) for utt, x in b.items()) for b in blocks
            ]
            moved = adapt_to_heard(
                vocabulary, observed, listen, functools.partial(Scorer, method=facts["method"])
            )
            yield from ((utt, x, moved) for block in blocks for utt, x in block.items() if utt in wanted)
            continue
        frontend = heard_frontend(vocabulary.frontend)
        normalises = listen.memory != "none"
        if listen.adapt == WHOLE:
            moved, stats = learn_whole(vocabulary, blocks, normalises=normalises, frontend=frontend)
            for block in blocks:
                for utt, stored in block.items():
                    if utt in wanted:
                        yield utt, frontend.model_features([stored], [stats])[0], moved
            continue
        listener = Listener(
            vocabulary,
            facts["method"],
            normalises=normalises,
            frontend=frontend,
            least=float(facts.get("min_confidence", 0.0)),
        )
        some = [(utt, stored) for block in blocks for utt, stored in block.items()]
        trusted = [hyps.get(utt, UNKNOWN) != UNKNOWN for utt, _ in some]
        last = max((i for i, (utt, _) in enumerate(some) if utt in wanted), default=-1) + 1
        seen = listener.follow([stored for _, stored in some[:last]], trusted[:last])
        for (utt, _), (feats, moved) in zip(some, seen, strict=False):
            if utt in wanted:
                yield utt, feats, moved
