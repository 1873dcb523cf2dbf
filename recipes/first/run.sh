#!/bin/sh
# A first training, for a classroom: from ten words to a model that writes down your own voice, in minutes on a laptop.
#   usage: recipes/first/run.sh [RECORDING]
# RECORDING is you, saying some of the words in words.yaml (`asr mic --wav-out me.wav`, or any recorder); without one it
# is somebody else. Wants espeak-ng and flite (apt-get install espeak-ng flite), and no corpus: their voices say the
# words. Run from the root of a checkout with `asr` on the path; delete data/first and runs/first to begin anew.
set -eu
if [ $# -gt 1 ]; then sed -n '2,6p' "$0" >&2; exit 2; fi
here=$(dirname "$0")

echo "1. Hundreds of voices say ten words. Those of the dev set are others than those that are learnt from."
asr synthesize "$here/words.yaml" data/first/train --utterances 2000 --voices train --engines espeak-ng,flite
asr synthesize "$here/words.yaml" data/first/dev --utterances 150 --voices dev --engines espeak-ng,flite
echo "2. The words are cut into tokens, few enough that each word becomes one."
asr tokenizer data/first/tokenizer.model data/first/train --vocabulary 67
echo "3. The training. Watch loss fall and dev/wer follow: the share of wrong words of voices never heard."
again=
if [ -e runs/first/checkpoints/last.ckpt ]; then again="--ckpt_path last"; fi
asr train --config "$here/train.yaml" $again
echo "4. What the losses were, and what each of them asks."
python "$here/losses.py" runs/first
echo "5. The model becomes a bundle, which needs no torch, and hears a person."
asr export runs/first runs/first/bundle
asr transcribe --bundle runs/first/bundle "${1:-recipes/commands/samples/two_nine_three_four_zero.flac}"
