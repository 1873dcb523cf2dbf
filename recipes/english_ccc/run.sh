#!/bin/sh
# The English Consistent Confusion Corpus, single British words in noise, from the corpus to a scored bundle.
#   usage: recipes/english_ccc/run.sh FOLDER [OPTIONS]
# FOLDER is a copy of the corpus as it is published, whole or in part (`asr prepare` says what is wrong with another), or
# has lists of your own (train.tsv, dev.tsv: path, speaker, text). OPTIONS go to `asr train`.
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
if [ $# -lt 1 ]; then sed -n '2,6p' "$0" >&2; exit 2; fi

here=$(dirname "$0")
exec sh "$here/../steps.sh" english_ccc "$here/train.yaml" 45 "$@"
