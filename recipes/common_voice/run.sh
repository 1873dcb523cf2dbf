#!/bin/sh
# Common Voice, sentences from everybody's microphone, from the corpus to a scored bundle.
#   usage: recipes/common_voice/run.sh FOLDER
# FOLDER is a copy of the corpus as it is published, whole or in part; `asr prepare` says what is wrong with another.
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
if [ $# -ne 1 ]; then sed -n '2,5p' "$0" >&2; exit 2; fi

if [ ! -e data/common_voice/cuts_train.jsonl.gz ]; then
  # It ends with 1 when damaged recordings were left out; what was written then is whole.
  asr prepare common_voice "$1" data/common_voice || [ -e data/common_voice/cuts_train.jsonl.gz ]
fi
asr data shard data/common_voice/cuts_train.jsonl.gz data/common_voice/shards
asr tokenizer data/common_voice/tokenizer.model data/common_voice/cuts_train.jsonl.gz \
  --vocabulary 1000
if [ -e runs/common_voice/checkpoints/last.ckpt ]; then go_on="--ckpt_path last"; else go_on=; fi
asr train --config recipes/common_voice/train.yaml $go_on
asr export runs/common_voice runs/common_voice/bundle
for split in dev test; do
  list=data/common_voice/cuts_$split.jsonl.gz
  if [ -e $list ]; then
    asr evaluate $list --bundle runs/common_voice/bundle --out runs/common_voice/reports/$split \
      --record "common_voice $split"
  fi
done
