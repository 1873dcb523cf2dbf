#!/bin/sh
# The steps from a published corpus to a scored bundle, as most recipes have them; recipes/*/run.sh begin here.
#   usage: recipes/steps.sh NAME CONFIG VOCABULARY FOLDER
# NAME is what `asr prepare` calls the corpus, and what everything made from it is kept under; VOCABULARY is how many
# tokens are learnt from its transcripts. Run from the root of a checkout with `asr` on the path. What is there already
# is kept: an interrupted run goes on.
set -eu
if [ $# -ne 4 ]; then sed -n '2,6p' "$0" >&2; exit 2; fi
name=$1 config=$2 vocabulary=$3 folder=$4

if [ ! -e "data/$name/cuts_train.jsonl.gz" ]; then
  # It ends with 1 when damaged recordings were left out; what was written then is whole.
  asr prepare "$name" "$folder" "data/$name" || [ -e "data/$name/cuts_train.jsonl.gz" ]
fi
asr tokenizer "data/$name/tokenizer.model" "data/$name/cuts_train.jsonl.gz" --vocabulary "$vocabulary"
if [ -e "runs/$name/checkpoints/last.ckpt" ]; then go_on="--ckpt_path last"; else go_on=; fi
asr train --config "$config" $go_on
asr export "runs/$name" "runs/$name/bundle"
for split in dev test; do
  list=data/$name/cuts_$split.jsonl.gz
  if [ -e "$list" ]; then
    asr evaluate "$list" --bundle "runs/$name/bundle" --out "runs/$name/reports/$split" --record "$name $split"
  fi
done
