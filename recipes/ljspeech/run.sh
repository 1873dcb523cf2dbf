#!/bin/sh
# LJ Speech with Mini LibriSpeech, from the corpora to a scored bundle.
#   usage: recipes/ljspeech/run.sh LJSPEECH MINI_LIBRISPEECH [OPTIONS]
# Both are copies of the corpora as they are published, whole or in part. LJ Speech has one speaker, so that what is
# measured on her says nothing; the other corpus brings more people to train on, and others to measure on. OPTIONS go to
# `asr train`.
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
if [ $# -lt 2 ]; then sed -n '2,7p' "$0" >&2; exit 2; fi

ljspeech=$1 mini_librispeech=$2
shift 2

if [ ! -e data/ljspeech/cuts_all.jsonl.gz ]; then
  # It ends with 1 when damaged recordings were left out; what was written then is whole.
  asr prepare ljspeech "$ljspeech" data/ljspeech || [ -e data/ljspeech/cuts_all.jsonl.gz ]
fi
if [ ! -e data/mini_librispeech/cuts_train.jsonl.gz ]; then
  asr prepare mini_librispeech "$mini_librispeech" data/mini_librispeech || [ -e data/mini_librispeech/cuts_train.jsonl.gz ]
fi
asr tokenizer data/ljspeech/tokenizer.model data/ljspeech/cuts_all.jsonl.gz \
  data/mini_librispeech/cuts_train.jsonl.gz --vocabulary 500
if [ -e runs/ljspeech/checkpoints/last.ckpt ]; then set -- --ckpt_path last "$@"; fi
asr train --config recipes/ljspeech/train.yaml "$@"
asr export runs/ljspeech runs/ljspeech/bundle
asr evaluate data/mini_librispeech/cuts_dev.jsonl.gz --bundle runs/ljspeech/bundle --out runs/ljspeech/reports/dev \
  --record "mini_librispeech dev"
