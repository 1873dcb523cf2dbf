#!/bin/sh
# LibriSpeech, from the corpus to a scored bundle: 100 hours of training data, or 960.
#   usage: recipes/untried/librispeech/run.sh FOLDER [100|960]
# FOLDER holds train-clean-100, dev-clean and so on, as published; dev-other and the test parts may be missing.
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
hours=${2:-100}
case $#-$hours in
1-100 | 2-100) parts=train-clean-100 ;;
2-960) parts="train-clean-100 train-clean-360 train-other-500" ;;
*) sed -n '2,5p' "$0" >&2; exit 2 ;;
esac
run=runs/librispeech_$hours
tokenizer=data/librispeech/tokenizer_$hours.model

# Part by part, since results are told of each.
lists=
for part in $parts dev-clean dev-other test-clean test-other; do
  if [ -d "$1/$part" ] && ! ls "data/librispeech/$part"/cuts_*.jsonl.gz >/dev/null 2>&1; then
    # It ends with 1 when damaged recordings were left out; what was written then is whole.
    asr prepare librispeech "$1/$part" "data/librispeech/$part" ||
      ls "data/librispeech/$part"/cuts_*.jsonl.gz >/dev/null
  fi
done
for part in $parts; do
  list=data/librispeech/$part/cuts_train.jsonl.gz
  lists="$lists $list"
  # 960 hours do not fit into memory, and a disk reads a few large files faster than 280,000 small ones.
  if [ "$hours" = 960 ]; then
    asr data shard "$list" "data/librispeech/$part/shards"
  fi
done
asr tokenizer "$tokenizer" $lists --vocabulary 1000
if [ -e "$run/checkpoints/last.ckpt" ]; then go_on="--ckpt_path last"; else go_on=; fi
asr train --config "recipes/untried/librispeech/train_$hours.yaml" $go_on
asr export "$run" "$run/bundle"
for part in dev-clean dev-other test-clean test-other; do
  list=data/librispeech/$part/cuts_${part%%-*}.jsonl.gz
  if [ -e "$list" ]; then
    asr evaluate "$list" --bundle "$run/bundle" --out "$run/reports/$part" --record "librispeech $part"
  fi
done
