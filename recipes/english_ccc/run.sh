#!/bin/sh
# The English Consistent Confusion Corpus, single British words in noise, from the corpus to a scored bundle.
#   usage: recipes/english_ccc/run.sh FOLDER
# FOLDER is a copy of the corpus as it is published, whole or in part; `asr prepare` says what is wrong with another.
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
if [ $# -ne 1 ]; then sed -n '2,5p' "$0" >&2; exit 2; fi

if [ ! -e data/english_ccc/cuts_train.jsonl.gz ]; then
  # It ends with 1 when damaged recordings were left out; what was written then is whole.
  asr prepare english_ccc "$1" data/english_ccc || [ -e data/english_ccc/cuts_train.jsonl.gz ]
fi
asr tokenizer data/english_ccc/tokenizer.model data/english_ccc/cuts_train.jsonl.gz \
  --vocabulary 300
if [ -e runs/english_ccc/checkpoints/last.ckpt ]; then go_on="--ckpt_path last"; else go_on=; fi
asr train --config recipes/english_ccc/train.yaml $go_on
asr export runs/english_ccc runs/english_ccc/bundle
for split in dev; do
  list=data/english_ccc/cuts_$split.jsonl.gz
  if [ -e $list ]; then
    asr evaluate $list --bundle runs/english_ccc/bundle --out runs/english_ccc/reports/$split
  fi
done
