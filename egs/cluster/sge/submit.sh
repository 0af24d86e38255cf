# Sourced by cluster.sh: how Grid Engine is given a job.

# submit NAME AFTER SCRIPT NUMBERS...: prints the job's number. With NUMBERS it is an array, from the first to the last of them: tasks
# between that were done end at once. It starts when job AFTER has ended, well or not, and looks for itself whether that was well.
submit() {
  local name=$1 after=$2 script=$3 log=$state/log/$1.log words=()
  shift 3
  if [ $# -gt 0 ]; then
    words+=(-t "$1-${!#}")
    [ -z "$at_once" ] || words+=(-tc "$at_once")
    log=$state/log/$name.\$TASK_ID.log
  fi
  [ -z "$after" ] || words+=(-hold_jid "$after")
  # shellcheck disable=SC2086
  qsub -terse -V -cwd -r y -S /bin/bash -j y -o "$log" -N "asrkit-$name" "${words[@]}" $submit "$script" | cut -d . -f 1
}
