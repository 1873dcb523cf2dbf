#!/bin/sh
# Common Voice, sentences from everybody's microphone, from the corpus to a scored bundle.
#   usage: recipes/common_voice/run.sh FOLDER [whole|small] [OPTIONS]
# FOLDER is a copy of the corpus as it is published, whole or in part; `asr prepare` says what is wrong with another.
# small is for some hours of it on a processor, and takes lists of your own as well (train.tsv, dev.tsv: path, speaker,
# text). OPTIONS go to `asr train`.
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
if [ $# -lt 1 ]; then sed -n '2,7p' "$0" >&2; exit 2; fi
folder=$1 size=${2:-whole}
shift
case ${1:-} in whole | small) shift ;; *) size=whole ;; esac
here=$(dirname "$0")
if [ $size = small ]; then exec sh "$here/../steps.sh" common_voice "$here/small.yaml" 250 "$folder" "$@"; fi

if [ ! -e data/common_voice/cuts_train.jsonl.gz ]; then
  # It ends with 1 when damaged recordings were left out; what was written then is whole.
  asr prepare common_voice "$folder" data/common_voice || [ -e data/common_voice/cuts_train.jsonl.gz ]
fi
asr data shard data/common_voice/cuts_train.jsonl.gz data/common_voice/shards
asr tokenizer data/common_voice/tokenizer.model data/common_voice/cuts_train.jsonl.gz \
  --vocabulary 1000
if [ -e runs/common_voice/checkpoints/last.ckpt ]; then set -- --ckpt_path last "$@"; fi
asr train --config recipes/common_voice/train.yaml "$@"
asr export runs/common_voice runs/common_voice/bundle
for split in dev test; do
  list=data/common_voice/cuts_$split.jsonl.gz
  if [ -e $list ]; then
    asr evaluate $list --bundle runs/common_voice/bundle --out runs/common_voice/reports/$split \
      --record "common_voice $split"
  fi
done
