#!/usr/bin/env bash
# Other microphones, rooms and speakers: models of one corpus hear the others, and strangers of their own, with plain
# defaults -> exp/RESULTS.md, errors of each corpus by the models of each, with intervals.
#
#   egs/cross/run.sh --corpora fsdd=free-spoken-digit-dataset,tidigits=ASR_Course
#   egs/cross/run.sh --corpora fsdd=free-spoken-digit-dataset,mine=my-words --pattern '{word}/{speaker}_{index}'
#
# Called again it goes on where it stopped, and makes anew what hangs on recordings or settings that have changed.
set -e -o pipefail

corpora=
pattern='{word}/{index}'
train=
family=chmm
stage=0
stop_stage=4
nj=2
data=data
exp=exp
corpus_dir=

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; cat <<'END'

--corpora NAME=DIR,...   two corpora or more. fsdd: the Free Spoken Digit Dataset; tidigits: the ASR course's folder, TIDIGITS' words in it;
                         any other name: a folder of recordings of your own, whose ends are looked for
--pattern TEXT           how the paths in folders of your own are made up (default {word}/{index}), as for asrkit prepare-wavs
--train NAME,...         the corpora that models are trained on (default: all)
--family NAME            chmm (default), gmm, schmm, dhmm or dtw
--stage N                first stage, --stop-stage N the last: 0 data, 1 train, 2 test on other corpora, 3 test on strangers of the
                         same corpus, 4 table
--nj N                   processes (default 2)
--data DIR               data directories (default data), --exp DIR models and results (default exp), both seen from egs/cross

The words are those that all corpora share, as conf/words writes them: of TIDIGITS' two words for 0 zero is the one, and oh is left out.
END
}

last_stage=4
options="corpora pattern train family stage stop_stage nj data exp"
started=$PWD
. "$(dirname "$0")/../recipe.sh"
case "$family" in chmm | gmm | schmm | dhmm | dtw) ;; *) die "unknown family '$family': chmm, gmm, schmm, dhmm or dtw" ;; esac
[ -n "$corpora" ] || die "--corpora NAME=DIR,NAME=DIR says what to compare (run.sh --help)"

names=()
IFS=, read -r -a given <<< "$corpora"
for place in "${given[@]}"; do
  name=${place%%=*}
  case "$name" in "$place" | '' | *[!A-Za-z0-9_-]*) die "--corpora '$place': NAME=DIR, the name of letters, digits, - and _" ;; esac
  case " ${names[*]} " in *" $name "*) die "--corpora has '$name' twice" ;; esac
  names+=("$name")
done
[ ${#names[@]} -ge 2 ] || die "--corpora '$corpora': there must be two"
IFS=, read -r -a trained <<< "${train:-$(IFS=,; echo "${names[*]}")}"
for name in "${trained[@]}"; do
  case " ${names[*]} " in *" $name "*) ;; *) die "--train $name: there are ${names[*]}" ;; esac
done

if run_stage 0 "data"; then
  (cd "$started" && for place in "${given[@]}"; do
    folder=${place#*=}
    [ -d "${folder/#~\//$HOME/}" ] || die "no such folder: --corpora $place" 1
  done)
  python3 local/prepare.py "$started" "$data" --corpora "${given[@]}" --pattern "$pattern" --nj "$nj"
fi

if [ "$stop_stage" -ge 1 ]; then
  python3 local/cross.py "$data" "$exp" --corpora "${names[@]}" --train "${trained[@]}" --family "$family" --pattern "$pattern" \
    --stage "$stage" --stop-stage "$stop_stage" --nj "$nj"
fi
