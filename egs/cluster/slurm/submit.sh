# Sourced by cluster.sh: how Slurm is given a job.

# submit NAME AFTER SCRIPT NUMBERS...: prints the job's number. With NUMBERS it is an array. It starts when job AFTER has ended well.
submit() {
  local name=$1 after=$2 script=$3 log=$state/log/$1.log words=()
  shift 3
  if [ $# -gt 0 ]; then
    # runs of numbers as ranges: the length of --array is limited
    words+=(--array "$(printf '%s\n' "$@" | awk 'NR == 1 { a = b = $1; next } $1 == b + 1 { b = $1; next } { put(); a = b = $1 } END { put() }
      function put() { printf "%s%s", sep, (a == b ? a : a "-" b); sep = "," }')${at_once:+%$at_once}")
    log=$state/log/$name.%a.log
  fi
  [ -z "$after" ] || words+=(--dependency "afterok:$after" --kill-on-invalid-dep yes)
  # shellcheck disable=SC2086
  sbatch --parsable --job-name "asrkit-$name" --requeue --open-mode append --output "$log" "${words[@]}" $submit "$script" | cut -d ';' -f 1
}
