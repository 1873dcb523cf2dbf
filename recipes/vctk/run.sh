#!/bin/sh
# VCTK, sentences in many accents of English, from the corpus to a scored bundle.
#   usage: recipes/vctk/run.sh FOLDER
# FOLDER is a copy of the corpus as it is published, whole or in part; `asr prepare` says what is wrong with another.
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
if [ $# -ne 1 ]; then sed -n '2,5p' "$0" >&2; exit 2; fi

if [ ! -e data/vctk/cuts_train.jsonl.gz ]; then
  asr prepare vctk "$1" data/vctk
fi
asr tokenizer data/vctk/tokenizer.model data/vctk/cuts_train.jsonl.gz \
  --vocabulary 500
if [ -e runs/vctk/checkpoints/last.ckpt ]; then go_on="--ckpt_path last"; else go_on=; fi
asr train --config recipes/vctk/train.yaml $go_on
asr export runs/vctk runs/vctk/bundle
for split in dev test; do
  list=data/vctk/cuts_$split.jsonl.gz
  if [ -e $list ]; then
    asr evaluate $list --bundle runs/vctk/bundle --out runs/vctk/reports/$split
  fi
done
