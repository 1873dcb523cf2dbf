#!/bin/sh
# AudioMNIST, spoken digits of sixty people, from the corpus to a scored bundle.
#   usage: recipes/audiomnist/run.sh FOLDER
# FOLDER is a copy of the corpus as it is published, whole or in part; `asr prepare` says what is wrong with another.
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
if [ $# -ne 1 ]; then sed -n '2,5p' "$0" >&2; exit 2; fi

if [ ! -e data/audiomnist/cuts_train.jsonl.gz ]; then
  asr prepare audiomnist "$1" data/audiomnist
fi
asr tokenizer data/audiomnist/tokenizer.model data/audiomnist/cuts_train.jsonl.gz \
  --vocabulary 67
if [ -e runs/audiomnist/checkpoints/last.ckpt ]; then go_on="--ckpt_path last"; else go_on=; fi
asr train --config recipes/audiomnist/train.yaml $go_on
asr export runs/audiomnist runs/audiomnist/bundle
for split in dev test; do
  list=data/audiomnist/cuts_$split.jsonl.gz
  if [ -e $list ]; then
    asr evaluate $list --bundle runs/audiomnist/bundle --out runs/audiomnist/reports/$split
  fi
done
