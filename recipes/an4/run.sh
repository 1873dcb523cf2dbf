#!/bin/sh
# CMU AN4, spelled names, numbers and control words, from the corpus to a scored bundle.
#   usage: recipes/an4/run.sh FOLDER
# FOLDER is a copy of the corpus as it is published, whole or in part; `asr prepare` says what is wrong with another.
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
if [ $# -ne 1 ]; then sed -n '2,5p' "$0" >&2; exit 2; fi

if [ ! -e data/an4/cuts_train.jsonl.gz ]; then
  # It ends with 1 when damaged recordings were left out; what was written then is whole.
  asr prepare an4 "$1" data/an4 || [ -e data/an4/cuts_train.jsonl.gz ]
fi
asr tokenizer data/an4/tokenizer.model data/an4/cuts_train.jsonl.gz \
  --vocabulary 120
if [ -e runs/an4/checkpoints/last.ckpt ]; then go_on="--ckpt_path last"; else go_on=; fi
asr train --config recipes/an4/train.yaml $go_on
asr export runs/an4 runs/an4/bundle
for split in dev test; do
  list=data/an4/cuts_$split.jsonl.gz
  if [ -e $list ]; then
    asr evaluate $list --bundle runs/an4/bundle --out runs/an4/reports/$split
  fi
done
