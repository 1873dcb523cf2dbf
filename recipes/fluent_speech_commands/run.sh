#!/bin/sh
# Fluent Speech Commands, orders to a house, from the corpus to a scored bundle.
#   usage: recipes/fluent_speech_commands/run.sh FOLDER
# FOLDER is a copy of the corpus as it is published, whole or in part; `asr prepare` says what is wrong with another.
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
if [ $# -ne 1 ]; then sed -n '2,5p' "$0" >&2; exit 2; fi

if [ ! -e data/fluent_speech_commands/cuts_train.jsonl.gz ]; then
  asr prepare fluent_speech_commands "$1" data/fluent_speech_commands
fi
asr tokenizer data/fluent_speech_commands/tokenizer.model data/fluent_speech_commands/cuts_train.jsonl.gz \
  --vocabulary 150
if [ -e runs/fluent_speech_commands/checkpoints/last.ckpt ]; then go_on="--ckpt_path last"; else go_on=; fi
asr train --config recipes/fluent_speech_commands/train.yaml $go_on
asr export runs/fluent_speech_commands runs/fluent_speech_commands/bundle
for split in dev test; do
  list=data/fluent_speech_commands/cuts_$split.jsonl.gz
  if [ -e $list ]; then
    asr evaluate $list --bundle runs/fluent_speech_commands/bundle --out runs/fluent_speech_commands/reports/$split
  fi
done
