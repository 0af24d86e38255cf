#!/usr/bin/env bash
# Features of a data directory on a cluster, part by part: split, an array of asrkit compute-KIND, join.
set -eo pipefail

usage() {
  cat << 'END'
usage: egs/cluster/features.sh --scheduler slurm|sge --data DIR [options] [-- OPTIONS OF asrkit compute-KIND]

  --scheduler slurm|sge  whose sbatch or qsub submits the jobs
  --data DIR             data directory with wav.scp, in a folder that all nodes see
  --kind KIND            mfcc, fbank, plp, ...: what asrkit compute-KIND makes (default: mfcc)
  --parts N              tasks (default: 8)
  --per-utt true|false   split a speaker, too (default: false)
  --at-once N            tasks that run at a time (default: as many as the cluster lets)
  --submit "OPTIONS"     further options of sbatch or qsub: "--mem 2G --time 1:00:00"

Steps: split; features, an array; join, which writes DIR/feats.scp. The archives stay in DIR/splitN/*/data.

example: egs/cluster/features.sh --scheduler slurm --data data/train --parts 100 -- --config conf/mfcc.conf
END
}

scheduler="" data="" exp="" out="" kind=mfcc parts=8 per_utt=false at_once="" submit=""
options="data kind per_utt"
# shellcheck disable=SC1091
. "$(dirname "$0")/cluster.sh"

join() {
  printf 'for name in utt2num_frames utt2dur feats.scp; do cat%s | sort > %s/.join; mv %s/.join %s/"$name"; done' \
    "$(seq -f " $split/%.0f/\"\$name\"" "$parts" | tr -d '\n')" "$data" "$data" "$data"
}

begin "$split/.features" "$data"/{wav.scp,segments,utt2spk,text}
step split 0 "$(divide)"
step features "$parts" "asrkit compute-$kind $split/{}$(quoted "${rest[@]}")"
step join 0 "rm -f $data/feats.scp $data/cmvn.scp; cp $split/1/frontend.conf $split/1/frame_shift $data; $(join)"
finish "$data/feats.scp"
