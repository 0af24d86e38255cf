#!/usr/bin/env bash
# A decoding on a cluster, part by part: split, an array of asrkit decode, join.
set -eo pipefail

usage() {
  cat << 'END'
usage: egs/cluster/decode.sh --scheduler slurm|sge --exp DIR --data DIR --out DIR [options] [-- OPTIONS OF asrkit decode]

  --scheduler slurm|sge  whose sbatch or qsub submits the jobs
  --exp DIR              folder of the model, or its file
  --data DIR             data directory, in a folder that all nodes see
  --out DIR              folder for hyp
  --parts N              tasks (default: 8)
  --per-utt true|false   split a speaker, too: then what was heard of a speaker helps within a part alone (default: false)
  --at-once N            tasks that run at a time (default: as many as the cluster lets)
  --submit "OPTIONS"     further options of sbatch or qsub: "--mem 2G --time 1:00:00"

Steps: split; decode, an array, into OUT/parts; join, which writes OUT/hyp, scores.scp, words.txt, skipped, for asrkit score.

example: egs/cluster/decode.sh --scheduler slurm --exp exp/chmm --data data/test --out exp/chmm/decode --parts 20
END
}

scheduler="" data="" exp="" out="" parts=8 per_utt=false at_once="" submit=""
options="data exp out per_utt"
# shellcheck disable=SC1091
. "$(dirname "$0")/cluster.sh"
[ -n "$exp" ] && [ -n "$out" ] || die "--exp or --out is missing"
[ -e "$exp" ] || die "$exp: no such file or folder (--exp)" 1

join() {
  printf 'for name in scores.scp skipped confidence nbest hyp; do '
  printf 'if ls %s/parts/*/"$name" > /dev/null 2>&1; then ' "$out"
  printf 'cat%s | sort -s -k 1,1 > %s/.join; mv %s/.join %s/"$name"; fi; done' \
    "$(seq -f " $out/parts/%.0f/\"\$name\"" "$parts" | tr -d '\n')" "$out" "$out" "$out"
}

begin "$out/.cluster" "$data"/{wav.scp,segments,feats.scp,utt2spk,cmvn.scp} "$exp" "$exp/final.npz"
step split 0 "$(divide)"
step decode "$parts" "asrkit decode $exp $split/{} $out/parts/{}$(quoted "${rest[@]}")"
step join 0 "cp $out/parts/1/words.txt $out/words.txt; $(join)"
finish "$out/hyp"
