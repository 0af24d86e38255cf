#!/usr/bin/env bash
# Pronunciation scores on speechocean762: mixtures trained on phones that listeners rated 2.0, scored against the ratings of other speakers.
#
#   egs/speechocean762/run.sh --corpus-dir ~/speechocean762   a copy with features and an alignment: local/prepare_data.py --help
#   egs/speechocean762/run.sh --stage 4                       evaluate again
set -e -o pipefail

corpus_dir=
stage=0
stop_stage=4
nj=2
data=data
exp=exp

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; cat <<'END'

--corpus-dir DIR   the corpus
--stage N          first stage, --stop-stage N the last: 0 data, 1 normalisation and alignment, 2 train, 3 score, 4 evaluate
--nj N             processes (default 2)
--data DIR         data directories (default data), --exp DIR models and results (default exp), both seen from egs/speechocean762
END
}

last_stage=4
options="corpus_dir stage stop_stage nj data exp"
. "$(dirname "$0")/../recipe.sh"

# The paper's mixtures, and two smaller ones, one of them with the paper's baselines beside it; one token a phone, the mean of its frames.
systems="full32 full1 diag32"
settings() {
  case "$1" in
    full32) echo "--num-gauss 32 --covariance full" ;;
    full1) echo "--num-gauss 1 --covariance full --baselines all" ;;
    diag32) echo "--num-gauss 32 --covariance diag --max-tokens 100000" ;;
  esac
}

if run_stage 0 "data"; then
  [ -n "$corpus_dir" ] || die "--corpus-dir names the corpus"
  python3 local/prepare_data.py "$corpus_dir" "$data"
fi

if run_stage 1 "normalisation and alignment"; then
  for part in train test; do
    # A few utterances have no alignment: they are named and left out.
    asrkit mixgop import-alignment "$data/$part/phones.ctm" "$data/$part/ali" --data "$data/$part" --max-skipped 10
  done
fi

if run_stage 2 "train"; then
  for system in $systems; do
    asrkit mixgop train "$data/train" "$data/train/ali" "$exp/$system" --ratings "$data/ratings.tsv" --min-rating 2 --max-skipped 10 \
      --cmvn utterance --pooling mean $(settings $system) --nj "$nj"
  done
fi

if run_stage 3 "score"; then
  for system in $systems; do
    asrkit mixgop score "$exp/$system" "$data/test" "$data/test/ali" "$exp/$system/score_$system" --max-skipped 10 --nj "$nj"
  done
fi

if run_stage 4 "evaluate"; then
  asrkit mixgop evaluate $(for system in $systems; do echo "$exp/$system/score_$system"; done) "$data/ratings.tsv" --higher-is better \
    --data "$data/test" --kinds loglik,posterior,ratio --out "$exp/evaluation" | tee "$exp/table.txt"
  asrkit mixgop evaluate "$exp/full1/score_full1" "$data/ratings.tsv" --higher-is better --data "$data/test" \
    --kinds gmm_gop,nn_gop,maxlogit,knn,svm --out "$exp/evaluation_baselines" | tee -a "$exp/table.txt"
  echo "the tables and the pictures are in $(cd "$exp" && pwd)/evaluation*" >&2
fi
