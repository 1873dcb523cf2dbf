#!/bin/sh
# Mini LibriSpeech, five hours of books read aloud, from the corpus to a scored bundle.
#   usage: recipes/mini_librispeech/run.sh FOLDER
# FOLDER is a copy of the corpus as it is published, whole or in part; `asr prepare` says what is wrong with another.
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
if [ $# -ne 1 ]; then sed -n '2,5p' "$0" >&2; exit 2; fi

if [ ! -e data/mini_librispeech/cuts_train.jsonl.gz ]; then
  asr prepare mini_librispeech "$1" data/mini_librispeech
fi
asr tokenizer data/mini_librispeech/tokenizer.model data/mini_librispeech/cuts_train.jsonl.gz \
  --vocabulary 250
if [ -e runs/mini_librispeech/checkpoints/last.ckpt ]; then go_on="--ckpt_path last"; else go_on=; fi
asr train --config recipes/mini_librispeech/train.yaml $go_on
asr export runs/mini_librispeech runs/mini_librispeech/bundle
for split in dev; do
  list=data/mini_librispeech/cuts_$split.jsonl.gz
  if [ -e $list ]; then
    asr evaluate $list --bundle runs/mini_librispeech/bundle --out runs/mini_librispeech/reports/$split
  fi
done
