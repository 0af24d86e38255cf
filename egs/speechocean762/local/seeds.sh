#!/usr/bin/env bash
# How much of a table's row hangs on the draw? Trains and scores systems with one seed after another, all else as run.sh has it, and prints
# the smallest, the middle and the largest tau. From egs/speechocean762, after run.sh --stop-stage 1:
#
#   local/seeds.sh data exp 2 10 full32          ten seeds of one system, about four minutes
#   local/seeds.sh data exp 2 10 full32 diag32   of two
set -e -o pipefail
export LC_ALL=C

case "$1" in --help | -h) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac
for number in "$3" "$4"; do
  [ $# -ge 5 ] && [ -n "$number" ] && [ -z "${number//[0-9]/}" ] ||
    { echo "seeds.sh: wanted: DATA EXP PROCESSES SEEDS SYSTEM... (seeds.sh --help)" >&2; exit 2; }
done
. local/systems.sh
data=$1 exp=$2/seeds nj=$3 count=$4
shift 4
[ -e "$data/test/ali/phones.ctm" ] || { echo "seeds.sh: no $data/test/ali/phones.ctm (run.sh --stop-stage 1 makes it)" >&2; exit 1; }
for system in "$@"; do [ -n "$(settings "$system")" ] || { echo "seeds.sh: no system '$system' (there are $systems)" >&2; exit 2; }; done

for system in "$@"; do
  scores=()
  for ((seed = 0; seed < count; seed++)); do
    folder=$exp/$system.$seed
    asrkit mixgop train "$data/train" "$data/train/ali" "$folder" --ratings "$data/ratings.tsv" --min-rating 2 --max-skipped 10 \
      --cmvn utterance $(settings "$system") --seed "$seed" --nj "$nj" >&2
    asrkit mixgop score "$folder" "$data/test" "$data/test/ali" "$exp/scores/$system.$seed" --max-skipped 10 --nj "$nj" >&2
    scores+=("$exp/scores/$system.$seed")
  done
  asrkit mixgop evaluate "${scores[@]}" "$data/ratings.tsv" --higher-is better --kinds loglik,posterior > "$exp/$system.txt"
done
for system in "$@"; do
  for kind in loglik posterior; do
    for column in 3 4; do
      awk -v kind=$kind -v column=$column '$2 == kind { print $column }' "$exp/$system.txt" | sort -g |
        awk -v what="$system $kind $([ $column = 3 ] && echo phones || echo utterances)" \
          '{ tau[NR] = $1 } END { print what, tau[1], tau[int((NR + 1) / 2)], tau[NR] }'
    done
  done
done | tee "$exp/table.txt"
