#!/bin/sh
# Google Speech Commands, single words of 2,618 people, from the corpus to a scored bundle.
#   usage: recipes/speech_commands/run.sh FOLDER [speech_commands|speech_commands_12] [OPTIONS]
# FOLDER is a copy of v0.01 or v0.02 as it is published, whole or in part (`asr prepare` says what is wrong with another),
# or, for the first way, has lists of your own (train.tsv, dev.tsv: path, speaker, text). The second way has ten words,
# all others as "unknown", and silence. OPTIONS go to `asr train`. Run from the root of a checkout with `asr` on the path.
# What is there already is kept: an interrupted run goes on.
set -eu
if [ $# -lt 1 ]; then sed -n '2,7p' "$0" >&2; exit 2; fi
here=$(dirname "$0") folder=$1 name=speech_commands
shift
case ${1:-} in speech_commands | speech_commands_12) name=$1; shift ;; esac
# As many tokens as make each word one, which CTC learns far sooner than three pieces in 0.3 s of sound.
case $name in
  speech_commands) config=train.yaml vocabulary=150 ;;
  speech_commands_12)
    config=twelve.yaml vocabulary=70
    if [ -e "$folder/train.tsv" ]; then echo "$folder: lists of your own have no twelve classes" >&2; exit 2; fi ;;
esac

exec sh "$here/../steps.sh" "$name" "$here/$config" $vocabulary "$folder" "$@"
