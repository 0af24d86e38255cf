# Sourced by each run.sh: its command line, Kaldi's sorting order, the recipe's folder, and the asrkit command.
#
# Before it stand usage(), the variables with their defaults, $options, the names of those that the command line sets
# (corpus_dir is --corpus-dir), and $last_stage. After it die, run_stage NUMBER NAME, and a $corpus_dir that does not hang on the folder.

die() { echo "run.sh: $1" >&2; exit "${2:-2}"; }
run_stage() { [ "$stage" -le "$1" ] && [ "$stop_stage" -ge "$1" ] && echo "== stage $1: $2" >&2; }

while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
  esac
  name=${1#--}
  name=${name//-/_}
  case " $options " in *" $name "*) [ "$1" != "${1#--}" ] ;; *) false ;; esac || die "unknown option $1 (run.sh --help)"
  [ $# -ge 2 ] || die "$1 needs a value"
  printf -v "$name" '%s' "$2"
  shift 2
done
for number in "$stage" "$stop_stage" "$nj"; do
  case "$number" in '' | *[!0-9]*) die "'$number' is not a whole number (--stage, --stop-stage, --nj)" ;; esac
done
[ "$stage" -le "$last_stage" ] && [ "$stage" -le "$stop_stage" ] || die "no stage from $stage to $stop_stage: they go from 0 to $last_stage"
# A relative --corpus-dir is meant from where the user stands; data and exp lie in the recipe's own folder.
given=$corpus_dir
[ -z "$given" ] || corpus_dir=$(cd "$given" 2>/dev/null && pwd) || die "no such folder: --corpus-dir $given" 1
cd "$(dirname "$0")"

export LC_ALL=C
export PYTHONUNBUFFERED=1
command -v asrkit > /dev/null || die "asrkit is not installed; run 'pip install -e .' in the top folder first" 1
