#!/bin/sh
# The default model, from the corpora to a scored bundle. Wants speech synthesisers, words and sentences
# (apt-get install espeak-ng flite festival scowl wordnet-base; with a C compiler, pip install ttspico gives one more).
#   usage: recipes/commands/run.sh CORPORA
# CORPORA holds the folders speech_commands, speechocean762, english_ccc, precise (each with a train.tsv, some with a
# dev.tsv: path, speaker, text) and the noises noise_esc10, noise_ccc_maskers, noise_mycroft, noise_speechbrain and rooms
# rir_webaudio (each with an all.tsv).
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
if [ $# -ne 1 ]; then sed -n '2,9p' "$0" >&2; exit 2; fi
here=$(cd "$(dirname "$0")" && pwd)
out=data/synthetic

for name in speech_commands speechocean762 english_ccc precise noise_esc10 noise_ccc_maskers noise_mycroft \
  noise_speechbrain rir_webaudio; do
  # It ends with 1 when damaged recordings were left out; what was written then is whole.
  asr prepare tsv "$1/$name" "data/$name" || ls "data/$name"/cuts_*.jsonl.gz >/dev/null
done

# No voice of the dev and test sets is in the training set. The words of the corpora are mixed into the text that is
# spoken, so that it cannot be guessed.
mkdir -p "$out"
asr synthesize "$here/founding.txt" "$out/founding_train" --utterances 800 --voices train --seed 5
asr synthesize "$here/founding.txt" "$out/founding_dev" --utterances 160 --voices dev --seed 1
asr synthesize "$here/founding.txt" "$out/founding_test" --utterances 160 --voices test --seed 2
asr synthesize "$here/commands.txt" "$out/commands_dev" --utterances 300 --voices dev --seed 3
# Short words by many voices: of most, few recordings are at hand.
asr synthesize "$here/words.txt" "$out/words_train" --utterances 20000 --voices train --seed 9
# Commands, of which the founding sentences count twice; anything else is made up around them.
"$here/english.sh" "$out/english"
cat "$here/commands.txt" "$here/founding.txt" > "$out/commands.txt"
asr sentences "$out/commands.txt" "$out/train_texts.txt" --count 150000 --seed 5 \
  --words "$out/english/words.txt" --names "$out/english/names.txt" --sentences "$out/english/sentences.txt" \
  "$1/speech_commands/train.tsv" "$1/speechocean762/train.tsv" "$1/english_ccc/train.tsv" "$1/precise/train.tsv"
asr synthesize "$out/train_texts.txt" "$out/train" --hours 50 --voices train --seed 5
asr synthesize "$out/train_texts.txt" "$out/train2" --hours 50 --voices train --seed 8

asr tokenizer data/commands/tokenizer.model --vocabulary 600 \
  "$1/speech_commands/train.tsv" "$1/speechocean762/train.tsv" "$1/english_ccc/train.tsv" "$1/precise/train.tsv" \
  "$out/train_texts.txt"
if [ -e runs/commands/checkpoints/last.ckpt ]; then go_on="--ckpt_path last"; else go_on=; fi
asr train --config recipes/commands/train.yaml $go_on
asr export runs/commands runs/commands/bundle --average 1 --ctc-weight 0.3 --length-penalty 1.0
asr calibrate data/speech_commands/cuts_dev.jsonl.gz data/speechocean762/cuts_dev.jsonl.gz \
  "$out/commands_dev" "$out/founding_dev" --bundle runs/commands/bundle \
  --noise data/noise_esc10/cuts_all.jsonl.gz --noise data/noise_ccc_maskers/cuts_all.jsonl.gz \
  --noise data/noise_mycroft/cuts_all.jsonl.gz --noise data/noise_speechbrain/cuts_all.jsonl.gz
for set in speechocean762/cuts_dev.jsonl.gz speech_commands/cuts_dev.jsonl.gz \
  synthetic/commands_dev synthetic/founding_dev synthetic/founding_test; do
  name=${set%/cuts_dev.jsonl.gz}
  asr evaluate "data/$set" --bundle runs/commands/bundle --out "runs/commands/reports/$name" --record "$name"
done
