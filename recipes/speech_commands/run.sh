#!/bin/sh
# Google Speech Commands, single words of 2,618 people, from the corpus to a scored bundle.
#   usage: recipes/speech_commands/run.sh FOLDER [speech_commands|speech_commands_12]
# FOLDER is a copy of v0.01 or v0.02 as it is published, whole or in part; `asr prepare` says what is wrong with another.
# The second one has ten words, all others as "unknown", and silence. Run from the root of a checkout with `asr` on the
# path. What is there already is kept: an interrupted run goes on.
set -eu
name=${2:-speech_commands}
case $#,$name in
  [12],speech_commands) config=recipes/speech_commands/train.yaml vocabulary=150 ;;
  2,speech_commands_12) config=recipes/speech_commands/twelve.yaml vocabulary=70 ;;
  *) sed -n '2,6p' "$0" >&2; exit 2 ;;
esac

if [ ! -e data/$name/cuts_train.jsonl.gz ]; then
  # It ends with 1 when damaged recordings were left out; what was written then is whole.
  asr prepare $name "$1" data/$name || [ -e data/$name/cuts_train.jsonl.gz ]
fi
# Large enough that each word is one token, which CTC learns far sooner than three pieces in 0.3 s of sound.
asr tokenizer data/$name/tokenizer.model data/$name/cuts_train.jsonl.gz --vocabulary $vocabulary
if [ -e runs/$name/checkpoints/last.ckpt ]; then go_on="--ckpt_path last"; else go_on=; fi
asr train --config $config $go_on
asr export runs/$name runs/$name/bundle
for split in dev test; do
  list=data/$name/cuts_$split.jsonl.gz
  if [ -e $list ]; then
    asr evaluate $list --bundle runs/$name/bundle --out runs/$name/reports/$split
  fi
done
