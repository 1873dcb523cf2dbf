#!/bin/sh
# From the commands to speech. No voice of the dev and test sets is in the training set. Takes about six minutes on two
# cores and wants espeak-ng and flite (apt-get install espeak-ng flite).
#   usage: recipes/commands/run.sh FOLDER [LIST ...]
# FOLDER is for the speech. The words of the lists (.tsv with the header path, speaker, text), or else those of the
# commands, are mixed into the training text, so that it cannot be guessed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -eq 0 ]; then sed -n '2,6p' "$0" >&2; exit 2; fi
out=$1
shift
mkdir -p "$out"

asr synthesize "$here/founding.txt" "$out/founding_dev" --utterances 160 --voices dev --seed 1 --jobs 2
asr synthesize "$here/founding.txt" "$out/founding_test" --utterances 160 --voices test --seed 2 --jobs 2
asr synthesize "$here/commands.txt" "$out/commands_dev" --utterances 300 --voices dev --seed 3 --jobs 2
asr sentences "$here/commands.txt" "$out/train_texts.txt" --count 14000 --seed 4 "$@"
asr synthesize "$out/train_texts.txt" "$out/train" --utterances 14000 --voices train --seed 4 --jobs 2
