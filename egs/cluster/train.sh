#!/usr/bin/env bash
# A training on a cluster in Kaldi's steps: init-model, then acc-stats over shares of the data, sum-accs and est-model, iteration by iteration.
set -eo pipefail

usage() {
  cat << 'END'
usage: egs/cluster/train.sh --scheduler slurm|sge --data DIR --exp DIR [options] [-- OPTIONS OF asrkit init-model]

  --scheduler slurm|sge  whose sbatch or qsub submits the jobs
  --data DIR             data directory with feats.scp and text, in a folder that all nodes see
  --exp DIR              folder of the training
  --iters N              iterations (default: 10)
  --grow "NUMBERS"       iterations after which mixtures are split once, for models that start with one Gaussian (default: none)
  --method viterbi|baum-welch  how statistics are accumulated (default: viterbi)
  --parts N              shares of the data, a task each, an iteration (default: 8)
  --at-once N            tasks that run at a time (default: as many as the cluster lets)
  --submit "OPTIONS"     further options of sbatch or qsub: "--mem 2G --time 1:00:00"

Steps: init, which writes EXP/0.npz; for each iteration i acc.i, an array, and est.i, which writes the next model; at last
acc and est once more: what words have in common, into EXP/final.npz. It is the model of asrkit train --calibrate false from
this start and with as many iterations, byte for byte, whatever N.

example: egs/cluster/train.sh --scheduler sge --data data/train --exp exp/chmm --parts 100 -- --family chmm --num-states 8
END
}

scheduler="" data="" exp="" out="" iters=10 grow="" method=viterbi parts=8 at_once="" submit=""
options="data exp iters grow method"
# shellcheck disable=SC1091
. "$(dirname "$0")/cluster.sh"
[ -n "$exp" ] || die "--exp is missing"
case "$iters" in '' | *[!0-9]*) die "--iters is a whole number, not '$iters'" ;; esac

begin "$exp/.cluster" "$data"/{feats.scp,text,utt2spk,cmvn.scp,frontend.conf}
old=""  # of the iteration before, which this one's end shows to be done
step init 0 "asrkit init-model $data $exp$(quoted "${rest[@]}")"
for i in $(seq 0 "$iters"); do
  accs=$(quoted $(seq -f "$exp/$i.%.0f.acc" "$parts"))
  more="" next=$exp/$((i + 1)).npz
  case " $grow " in *" $i "*) more=" --grow true" ;; esac
  [ "$i" != "$iters" ] || { more=" --finish true"; next=$exp/final.npz; }
  step "acc.$i" "$parts" "asrkit acc-stats $exp/$i.npz $data $exp/$i.{}.acc --part {} --parts $parts --method $method"
  step "est.$i" 0 "rm -f$old; asrkit sum-accs $exp/$i.acc$accs; asrkit est-model $exp/$i.npz $exp/$i.acc $next$more"
  old=$accs
done
finish "$exp/final.npz"
