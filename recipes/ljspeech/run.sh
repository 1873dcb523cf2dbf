#!/bin/sh
# LJ Speech with Mini LibriSpeech, from the corpora to a scored bundle.
#   usage: recipes/ljspeech/run.sh LJSPEECH MINI_LIBRISPEECH
# Both are copies of the corpora as they are published, whole or in part. LJ Speech has one speaker, so that what is
# measured on her says nothing; the other corpus brings more people to train on, and others to measure on.
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
if [ $# -ne 2 ]; then sed -n '2,6p' "$0" >&2; exit 2; fi

if [ ! -e data/ljspeech/cuts_all.jsonl.gz ]; then
  # It ends with 1 when damaged recordings were left out; what was written then is whole.
  asr prepare ljspeech "$1" data/ljspeech || [ -e data/ljspeech/cuts_all.jsonl.gz ]
fi
if [ ! -e data/mini_librispeech/cuts_train.jsonl.gz ]; then
  asr prepare mini_librispeech "$2" data/mini_librispeech || [ -e data/mini_librispeech/cuts_train.jsonl.gz ]
fi
asr tokenizer data/ljspeech/tokenizer.model data/ljspeech/cuts_all.jsonl.gz \
  data/mini_librispeech/cuts_train.jsonl.gz --vocabulary 500
if [ -e runs/ljspeech/checkpoints/last.ckpt ]; then go_on="--ckpt_path last"; else go_on=; fi
asr train --config recipes/ljspeech/train.yaml $go_on
asr export runs/ljspeech runs/ljspeech/bundle
asr evaluate data/mini_librispeech/cuts_dev.jsonl.gz --bundle runs/ljspeech/bundle --out runs/ljspeech/reports/dev \
  --record "mini_librispeech dev"
