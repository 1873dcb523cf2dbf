#!/bin/sh
# Google Speech Commands, single words of 2,618 people, from the corpus to a scored bundle.
#   usage: recipes/speech_commands/run.sh FOLDER [speech_commands|speech_commands_12]
# FOLDER is a copy of v0.01 or v0.02 as it is published, whole or in part; `asr prepare` says what is wrong with another.
# The second one has ten words, all others as "unknown", and silence. Run from the root of a checkout with `asr` on the
# path. What is there already is kept: an interrupted run goes on.
set -eu
here=$(dirname "$0")
name=${2:-speech_commands}
# As many tokens as make each word one, which CTC learns far sooner than three pieces in 0.3 s of sound.
case $#,$name in
  [12],speech_commands) config=train.yaml vocabulary=150 ;;
  2,speech_commands_12) config=twelve.yaml vocabulary=70 ;;
  *) sed -n '2,6p' "$0" >&2; exit 2 ;;
esac

exec sh "$here/../steps.sh" "$name" "$here/$config" $vocabulary "$1"
