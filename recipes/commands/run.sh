#!/bin/sh
# From the commands to speech: training, dev and test voices share no speaker. Takes about five minutes on two cores.
# Wants espeak-ng and flite (apt-get install espeak-ng flite).
#   usage: recipes/commands/run.sh [FOLDER FOR THE SPEECH]     (default: data/commands)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-data/commands}

asr synthesize "$here/founding.txt" "$out/founding_dev" --voices dev --utterances 160 --seed 1 --jobs 2
asr synthesize "$here/founding.txt" "$out/founding_test" --voices test --utterances 160 --seed 2 --jobs 2
asr synthesize "$here/commands.txt" "$out/commands_dev" --voices dev --utterances 300 --seed 3 --jobs 2
asr synthesize "$here/commands.txt" "$out/commands_train" --voices train --utterances 14000 --seed 4 --jobs 2
