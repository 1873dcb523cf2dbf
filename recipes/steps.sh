#!/bin/sh
# The steps from a corpus to a scored bundle, as most recipes have them; recipes/*/run.sh begin here.
#   usage: recipes/steps.sh NAME CONFIG VOCABULARY FOLDER [OPTIONS]
# NAME is what `asr prepare` calls the corpus, and what everything made from it is kept under; VOCABULARY is how many
# tokens are learnt from its transcripts; FOLDER is the corpus as it is published, or has lists of your own (train.tsv,
# dev.tsv: path, speaker, text); OPTIONS go to `asr train`. Run from the root of a checkout with `asr` on the path. What
# is there already is kept: an interrupted run goes on.
set -eu
if [ $# -lt 4 ]; then sed -n '2,7p' "$0" >&2; exit 2; fi
name=$1 config=$2 vocabulary=$3 folder=$4
shift 4

if [ ! -e "data/$name/cuts_train.jsonl.gz" ]; then
  layout=$name
  # Common Voice publishes lists of the same names, of another form.
  if [ -e "$folder/train.tsv" ] && [ ! -d "$folder/clips" ]; then layout=tsv; fi
  # It ends with 1 when damaged recordings were left out; what was written then is whole.
  asr prepare "$layout" "$folder" "data/$name" || [ -e "data/$name/cuts_train.jsonl.gz" ]
fi
asr tokenizer "data/$name/tokenizer.model" "data/$name/cuts_train.jsonl.gz" --vocabulary "$vocabulary"
if [ -e "runs/$name/checkpoints/last.ckpt" ]; then set -- --ckpt_path last "$@"; fi
asr train --config "$config" "$@"
asr export "runs/$name" "runs/$name/bundle"
for split in dev test; do
  list=data/$name/cuts_$split.jsonl.gz
  if [ -e "$list" ]; then
    asr evaluate "$list" --bundle "runs/$name/bundle" --out "runs/$name/reports/$split" --record "$name $split"
  fi
done
