#!/usr/bin/env bash
# What a job of features.sh, train.sh and decode.sh runs: task.sh STEP KEY NEEDS COUNT COMMAND NUMBER
#
# Runs COMMAND, with NUMBER, that of the task, for {}, unless STEP.NUMBER.done says that it was done under this KEY; the files of NEEDS, of
# COUNT tasks, must say so (Grid Engine starts what waits for a job that failed, too).
set -eo pipefail
step=$1 key=$2 needs=$3 count=$4 command=$5 number=$6

is_done() { [ "$(cat "$1.$2.done" 2> /dev/null)" = "$key" ]; }

if is_done "$step" "$number"; then
  echo "$(basename "$step") $number: was done before"
  exit 0
fi
if [ -n "$needs" ]; then
  for one in $(if [ "$count" = 0 ]; then echo 0; else seq "$count"; fi); do
    is_done "$needs" "$one" || { echo "error: $(basename "$needs") $one is not done (its log says why; submit again)" >&2; exit 1; }
  done
fi
command=${command//\{\}/$number}
echo "$(date '+%F %T') $(hostname): $command"
bash -eo pipefail -c "$command"
printf %s "$key" > "$step.$number.part"
mv "$step.$number.part" "$step.$number.done"
echo "$(date '+%F %T') done"
