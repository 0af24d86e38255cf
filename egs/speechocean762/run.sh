#!/usr/bin/env bash
# Pronunciation scores on speechocean762: mixtures trained on phones that listeners rated 2.0, scored against the ratings of other speakers.
#
#   egs/speechocean762/run.sh --corpus-dir ~/speechocean762   the corpus as published (openslr.org/101), or a copy with features and
#                             an alignment: local/prepare_data.py --help. As published it needs pip install -e '.[align]'
#   egs/speechocean762/run.sh --stage 4                       evaluate again
#   egs/speechocean762/run.sh --stage 5 --fsdd-dir ~/free-spoken-digit-dataset   corrupted speech, without speechocean762
set -e -o pipefail

corpus_dir=
fsdd_dir=
stage=0
stop_stage=5
nj=2
data=data
exp=exp

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; cat <<'END'

--corpus-dir DIR   the corpus, as published or with features and an alignment
--fsdd-dir DIR     the Free Spoken Digit Dataset or its folder recordings, for stage 5; without it that stage is left out
--stage N          first stage, --stop-stage N the last: 0 data, 1 features and alignment, 2 train, 3 score, 4 evaluate,
                   5 corrupted speech, which needs no other stage: do the scores fall as noise grows, and the like?
--nj N             processes (default 2)
--data DIR         data directories (default data), --exp DIR models and results (default exp), both seen from egs/speechocean762
END
}

last_stage=5
options="corpus_dir fsdd_dir stage stop_stage nj data exp"
. "$(dirname "$0")/../recipe.sh"
if [ -n "$fsdd_dir" ]; then  # like --corpus-dir meant from where the user stands
  given=$fsdd_dir
  fsdd_dir=$(cd "$OLDPWD" && cd "$given" 2>/dev/null && pwd) || die "no such folder: --fsdd-dir $given" 1
  [ ! -d "$fsdd_dir/recordings" ] || fsdd_dir=$fsdd_dir/recordings
fi

. local/systems.sh

if run_stage 0 "data"; then
  [ -n "$corpus_dir" ] || die "--corpus-dir names the corpus"
  python3 local/prepare_data.py "$corpus_dir" "$data"
fi

if run_stage 1 "features and alignment"; then
  for part in train test; do
    # A few utterances have no alignment: they are named and left out.
    if [ -e "$data/$part/pronunciations" ]; then  # as published; C0 in place of the energy, as the prepared copy has it
      asrkit compute-mfcc "$data/$part" --use-energy false --nj "$nj"
      asrkit mixgop align "$data/$part" "$data/$part/ali" --pronunciations "$data/$part/pronunciations" --max-skipped 10 --nj "$nj"
    else
      asrkit mixgop import-alignment "$data/$part/phones.ctm" "$data/$part/ali" --data "$data/$part" --max-skipped 10
    fi
  done
fi

if run_stage 2 "train"; then
  for system in $systems; do
    asrkit mixgop train "$data/train" "$data/train/ali" "$exp/$system" --ratings "$data/ratings.tsv" --min-rating 2 --max-skipped 10 \
      --cmvn utterance $(settings $system) --nj "$nj"
  done
fi

if run_stage 3 "score"; then
  for system in $systems; do
    asrkit mixgop score "$exp/$system" "$data/test" "$data/test/ali" "$exp/$system/score_$system" --max-skipped 10 --nj "$nj"
  done
fi

if run_stage 4 "evaluate"; then
  scores=()
  for system in $systems; do scores+=("$exp/$system/score_$system"); done
  asrkit mixgop evaluate "${scores[@]}" "$data/ratings.tsv" --higher-is better \
    --data "$data/test" --kinds loglik,posterior,ratio --out "$exp/evaluation" | tee "$exp/table.txt"
  asrkit mixgop evaluate "$exp/full1/score_full1" "$data/ratings.tsv" --higher-is better --data "$data/test" \
    --kinds gmm_gop,nn_gop,maxlogit,knn,svm --out "$exp/evaluation_baselines" | tee -a "$exp/table.txt"
  echo "the tables and the pictures are in $(cd "$exp" && pwd)/evaluation*" >&2
fi

if [ -z "$fsdd_dir" ]; then
  [ "$stage" -lt 5 ] || die "--fsdd-dir names the Free Spoken Digit Dataset"
  [ "$stop_stage" -lt 5 ] || echo "== stage 5, corrupted speech, is left out: no --fsdd-dir" >&2
elif run_stage 5 "corrupted speech"; then
  # Half of the spectrum: a recording that was slowed has no more. No deltas: the more even a sound the smaller they are, and the
  # likelier. The microphone is known from each speaker's untouched recordings: the mean of a corrupted one would take away what
  # was done to it together with the microphone.
  mfcc="--sample-frequency 8000 --use-energy false --snip-edges false --high-freq 2000"
  asrkit prepare-wavs "$fsdd_dir" "$data/fsdd" --pattern '{word}_{speaker}_{index}'
  asrkit compute-mfcc "$data/fsdd" $mfcc --nj "$nj"
  asrkit compute-cmvn "$data/fsdd"
  python3 local/corrupted.py make "$data/fsdd" "$data/corrupted"
  asrkit mixgop train "$data/corrupted/train" "$data/corrupted/train" "$exp/corrupted" --num-gauss 8 --covariance diag \
    --pooling all --max-tokens 100000 --cmvn speaker --norm-vars true --delta-order 0 --nj "$nj"
  for kind in noise warp smear; do
    part=$data/corrupted/$kind results=$exp/corrupted/$kind
    asrkit compute-mfcc "$part" $mfcc --nj "$nj"
    cp "$data/fsdd/cmvn.scp" "$part/cmvn.scp"
    asrkit mixgop score "$exp/corrupted" "$part" "$part" "$results/score" --nj "$nj"
    asrkit mixgop evaluate "$results/score" "$part/ratings.tsv" --higher-is worse --kinds loglik,posterior \
      --utt2spk "$part/utt2uniq" --out "$results/evaluation" > /dev/null
  done
  python3 local/corrupted.py table "$data/corrupted" "$exp/corrupted"
fi
