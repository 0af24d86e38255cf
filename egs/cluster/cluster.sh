# Sourced by features.sh, train.sh and decode.sh: their command line, and jobs that follow one another on Slurm or Grid Engine.
#
# docs/arrays.md is about them. Before it stand usage(), $options and the variables with their defaults. What follows -- is in $rest: options of asrkit's command.

die() { echo "$(basename "$0"): $1" >&2; exit "${2:-2}"; }

rest=()
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --) shift; rest=("$@"); break ;;
    --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
  esac
  name=${1#--}
  name=${name//-/_}
  case " $options scheduler parts at_once submit " in *" $name "*) [ "$1" != "${1#--}" ] ;; *) false ;; esac ||
    die "unknown option $1 (--help lists them; those of asrkit's command follow --)"
  [ $# -ge 2 ] || die "$1 needs a value"
  printf -v "$name" '%s' "$2"
  shift 2
done
case "$scheduler" in slurm | sge) ;; *) die "--scheduler is slurm or sge, not '$scheduler'" ;; esac
case "$parts" in '' | *[!0-9]* | 0) die "--parts is a whole number from 1, not '$parts'" ;; esac
case "$data$exp$out" in *[[:space:]{}\'\"\\]*) die "a folder's name has a blank, a quote or a brace, which job scripts could not bear" ;; esac
[ -d "$data" ] || die "$data: no such folder (--data)" 1
command -v asrkit > /dev/null || die "asrkit is not installed here (pip install it where the nodes see it, too)" 1

export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
split=$data/split$parts
jobs=() after="" needs="" needed=0
# shellcheck disable=SC1090
. "$here/$scheduler/submit.sh"

# quoted WORDS...: as a shell reads them.
quoted() { [ $# -eq 0 ] || printf ' %q' "$@"; }

# begin FOLDER FILES...: a chain of jobs whose scripts, logs and notes of what is done are in FOLDER. They are done for these options
# and what these files, as far as they are there, hold now, and for no others.
begin() {
  state=$1
  mkdir -p "$state/log"
  key=$({
    echo "$(basename "$0") $parts" "$(quoted "${rest[@]}")"
    for name in $options; do echo "$name ${!name}"; done
    for name in "${@:2}"; do [ ! -f "$name" ] || { echo "$name"; cat "$name"; }; done
  } | cksum | tr ' ' -)
}

# step NAME COUNT COMMAND: a job after the last step, an array of COUNT tasks (0: no array), in whose command {} is the task's number.
# What is done already is not submitted.
step() {
  local name=$1 count=$2 missing="" number
  for number in $(if [ "$count" = 0 ]; then echo 0; else seq "$count"; fi); do
    [ "$(cat "$state/$name.$number.done" 2> /dev/null)" = "$key" ] || missing="$missing $number"
  done
  if [ -n "$missing" ]; then
    {
      echo '#!/bin/bash'
      echo "# $(basename "$0"), step $name: written anew whenever it is submitted."
      echo "number=$([ "$count" = 0 ] && echo 0 || echo '${SLURM_ARRAY_TASK_ID:-$SGE_TASK_ID}')"
      echo "exec bash$(quoted "$here/task.sh" "$state/$name" "$key" "$needs" "$needed" "$3") \"\$number\""
    } > "$state/$name.sh"
    [ "$count" != 0 ] || missing=""
    # shellcheck disable=SC2086
    after=$(submit "$name" "$after" "$state/$name.sh" $missing) || die "step $name could not be submitted" 1
    [ -n "$after" ] || die "step $name: the scheduler gave no number" 1
    jobs+=("$name: job $after$([ -z "$missing" ] || echo ", tasks$missing")")
  fi
  needs=$state/$name needed=$count
}

# finish WHAT: say what was submitted.
finish() {
  if [ ${#jobs[@]} = 0 ]; then
    echo "$1: all is done ($state has the logs; remove it to begin anew)"
  else
    printf '%s\n' "${jobs[@]}"
    echo "$1 when they have ended; logs in $state/log; what failed is done by the same command again"
  fi
}

# divide: the command that splits the data, the first step of features.sh and decode.sh.
divide() { echo "asrkit split-data $data $parts --per-utt $per_utt"; }
