#!/bin/sh
# speechocean762, English sentences read by speakers of Mandarin, from the corpus to a scored bundle.
#   usage: recipes/speechocean762/run.sh FOLDER
# FOLDER is a copy of the corpus as it is published, whole or in part; `asr prepare` says what is wrong with another.
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
if [ $# -ne 1 ]; then sed -n '2,5p' "$0" >&2; exit 2; fi

if [ ! -e data/speechocean762/cuts_train.jsonl.gz ]; then
  # It ends with 1 when damaged recordings were left out; what was written then is whole.
  asr prepare speechocean762 "$1" data/speechocean762 || [ -e data/speechocean762/cuts_train.jsonl.gz ]
fi
asr tokenizer data/speechocean762/tokenizer.model data/speechocean762/cuts_train.jsonl.gz \
  --vocabulary 250
if [ -e runs/speechocean762/checkpoints/last.ckpt ]; then go_on="--ckpt_path last"; else go_on=; fi
asr train --config recipes/speechocean762/train.yaml $go_on
asr export runs/speechocean762 runs/speechocean762/bundle
for split in dev test; do
  list=data/speechocean762/cuts_$split.jsonl.gz
  if [ -e $list ]; then
    asr evaluate $list --bundle runs/speechocean762/bundle --out runs/speechocean762/reports/$split
  fi
done
