#!/usr/bin/env bash
# Which settings? Each candidate is trained on four fifths of the training speakers and scores the others, fifth by fifth, so that no
# test speaker has a say. Leaves EXP/settings/table.txt. From egs/speechocean762, after run.sh --stop-stage 1:
#
#   local/settings.sh data exp 2                 all candidates, about half an hour
#   local/settings.sh data exp 2 placed32 all32  some of them
set -e -o pipefail
export LC_ALL=C

case "$1" in --help | -h) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac
[ $# -ge 3 ] && [ -n "$3" ] && [ -z "${3//[0-9]/}" ] || { echo "settings.sh: wanted: DATA EXP PROCESSES [CANDIDATE...] (settings.sh --help)" >&2; exit 2; }
data=$1 exp=$2/settings nj=$3
shift 3
[ -e "$data/train/spk2utt" ] || { echo "settings.sh: no $data/train/spk2utt (run.sh --stop-stage 1 makes it)" >&2; exit 1; }

settings() {
  case "$1" in
    mean32) echo "--pooling mean --num-gauss 32" ;;
    mean8_lda) echo "--pooling mean --num-gauss 8 --lda-dim 36" ;;
    all32) echo "--pooling all --num-gauss 32" ;;
    placed8) echo "--pooling placed --num-gauss 8" ;;
    placed32) echo "--pooling placed --num-gauss 32" ;;
    placed32_lda) echo "--pooling placed --num-gauss 32 --lda-dim 36" ;;
    placed64) echo "--pooling placed --num-gauss 64" ;;
    placed8_full) echo "--pooling placed --num-gauss 8 --covariance full" ;;
    placed32_as_one) echo "--pooling placed --num-gauss 32 --frame-power 0" ;;
    placed32_as_many) echo "--pooling placed --num-gauss 32 --frame-power 1" ;;
    placed32_typical) echo "--pooling placed --num-gauss 32 --min-speaker-rating 1.8" ;;
    *) echo "settings.sh: no candidate '$1'" >&2; exit 2 ;;
  esac
}
[ $# -gt 0 ] || set -- mean32 mean8_lda all32 placed8 placed32 placed32_lda placed64 placed8_full placed32_as_one placed32_as_many placed32_typical

for name in "$@"; do settings "$name" > /dev/null; done
for fold in 0 1 2 3 4; do
  mkdir -p "$exp/$fold"
  awk -v fold=$fold 'NR % 5 == fold { print $1 }' "$data/train/spk2utt" > "$exp/$fold/held_out"
  awk -v fold=$fold 'NR % 5 != fold { print $1 }' "$data/train/spk2utt" > "$exp/$fold/others"
  for part in held_out others; do
    rm -rf "$exp/$fold/$part.data"
    asrkit subset-data "$data/train" "$exp/$fold/$part.data" --spk-list "$exp/$fold/$part"
  done
done
for name in "$@"; do
  mkdir -p "$exp/$name"
  for fold in 0 1 2 3 4; do
    # Utterances of the other speakers are aligned, too, but not in these folders: all 2500 may be skipped.
    asrkit mixgop train "$exp/$fold/others.data" "$data/train/ali" "$exp/$fold/$name" --ratings "$data/ratings.tsv" --min-rating 2 \
      --cmvn utterance --covariance diag --max-tokens 8000 $(settings "$name") --max-skipped 2500 --nj "$nj"
    asrkit mixgop score "$exp/$fold/$name" "$exp/$fold/held_out.data" "$data/train/ali" "$exp/$fold/$name/score" --max-skipped 2500 --nj "$nj"
    [ $fold -eq 0 ] && head -n 1 "$exp/0/$name/score/phones.tsv" > "$exp/$name/phones.tsv"
    tail -n +2 "$exp/$fold/$name/score/phones.tsv" >> "$exp/$name/phones.tsv"
  done
done
asrkit mixgop evaluate "${@/#/$exp/}" "$data/ratings.tsv" --higher-is better --data "$data/train" \
  --kinds posterior | tee "$exp/table.txt"
