#!/bin/sh
# Spoken digits, from the corpus to a scored bundle. About ten minutes on two cores without a GPU.
#   usage: recipes/digits/run.sh FOLDER
# FOLDER is a copy of the Free Spoken Digit Dataset (https://github.com/Jakobovski/free-spoken-digit-dataset), whole or
# in part, with its recordings/{digit}_{speaker}_{n}.wav. Wants espeak-ng and flite (apt-get install espeak-ng flite).
# Run from the root of a checkout with `asr` on the path.
set -eu
if [ $# -ne 1 ]; then sed -n '2,6p' "$0" >&2; exit 2; fi

# It ends with 1 when damaged recordings were left out; what was written then is whole.
asr prepare digits "$1" data/digits || [ -e data/digits/cuts_train.jsonl.gz ]
asr synthesize recipes/digits/digits.txt data/digits/synthetic --utterances 4000 --voices train
# 67 tokens: large enough that each digit is one, which CTC learns far sooner than three pieces in 0.3 s of sound.
asr tokenizer data/digits/tokenizer.model data/digits/cuts_train.jsonl.gz --vocabulary 67
asr train --config recipes/digits/train.yaml
asr export runs/digits runs/digits/bundle
asr evaluate data/digits/cuts_dev.jsonl.gz --bundle runs/digits/bundle --out runs/digits/report --record "fsdd dev"
