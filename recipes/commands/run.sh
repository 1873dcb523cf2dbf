#!/bin/sh
# The default model, from the corpora to a scored bundle. Wants speech synthesisers, words and sentences
# (apt-get install espeak-ng flite festival scowl wordnet-base; pip install '.[voices]'; asr voices fetch kokoro;
# asr voices fetch piper; with a C compiler, pip install ttspico gives one more), prose (prose.sh says how to get it) and
# everyday English (pip install pocketsphinx).
#   usage: recipes/commands/run.sh CORPORA [--download]
# CORPORA holds a folder for each corpus, named as below: as it is published, or with a train.tsv, dev.tsv or all.tsv of
# your own (path, speaker, text). README.md beside this says where each is to be had; --download fetches those whose
# publishers let it. What is missing is left out, and the model is the poorer for it.
# Run from the root of a checkout with `asr` on the path. What is there already is kept: an interrupted run goes on.
set -eu
case ${2:-} in "" | --download) ;; *) sed -n '2,10p' "$0" >&2; exit 2 ;; esac
if [ $# -lt 1 ] || [ $# -gt 2 ]; then sed -n '2,10p' "$0" >&2; exit 2; fi
here=$(cd "$(dirname "$0")" && pwd)
corpora=$1 download=${2:-} out=data/synthetic

# prepare FOLDER LAYOUT: its lists in data/FOLDER. It ends with 1 when damaged recordings were left out; what was written
# then is whole.
prepare() {
  folder=$corpora/$1 fetch=
  ! ls "data/$1"/cuts_*.jsonl.gz >/dev/null 2>&1 || return 0
  if ls "$folder"/*.tsv >/dev/null 2>&1 && ! [ -d "$folder/clips" ]; then
    set -- "$1" tsv
  elif [ -d "$folder" ]; then
    :
  elif [ -n "$download" ] && [ "$3" = fetched ]; then
    fetch=--download
  else
    echo "$folder: not there, goes without it" >&2
    return 0
  fi
  asr prepare "$2" "$folder" "data/$1" $fetch || ls "data/$1"/cuts_*.jsonl.gz >/dev/null
}
prepare mini_librispeech mini_librispeech fetched
prepare librispeech_dev librispeech by_hand
prepare common_voice common_voice by_hand
prepare common_voice_1 common_voice by_hand
prepare an4 an4 fetched
prepare speechocean762 speechocean762 fetched
prepare ljspeech ljspeech fetched
prepare kathleen ljspeech by_hand
prepare speech_commands speech_commands fetched
prepare speech_commands_more tsv by_hand
prepare english_ccc english_ccc by_hand
prepare precise tsv by_hand
for name in noise_esc10 noise_ccc_maskers noise_mycroft noise_speechbrain rir_webaudio; do prepare $name tsv by_hand; done
lists=$(ls data/*/cuts_train.jsonl.gz)
# What few people say is soon known by heart, so it is said in phrases too: where the words are, the default bundle finds.
for name in mini_librispeech common_voice common_voice_1 speechocean762 ljspeech kathleen; do
  if [ -e "data/$name/cuts_train.jsonl.gz" ] && ! [ -e "data/$name/phrases_train.jsonl.gz" ]; then
    asr data phrases "data/$name/cuts_train.jsonl.gz" "data/$name/phrases_train.jsonl.gz" ||
      ls "data/$name/phrases_train.jsonl.gz" >/dev/null
  fi
done

# No voice of the dev and test sets is in the training set. The words of the corpora are mixed into the text that is
# spoken, so that it cannot be guessed.
mkdir -p "$out"
asr synthesize "$here/founding.txt" "$out/founding_train" --utterances 1200 --voices train --seed 5
asr synthesize "$here/founding.txt" "$out/founding_dev" --utterances 160 --voices dev --seed 1
asr synthesize "$here/founding.txt" "$out/founding_test" --utterances 160 --voices test --seed 2
asr synthesize "$here/commands.txt" "$out/commands_dev" --utterances 300 --voices dev --seed 3
# Commands of the ready grammars, for the threshold: what is said in no training text is understood less surely.
for name in home media timers; do
  asr synthesize $name "$out/$name" --engines kokoro --utterances 36 --voices dev --seed 51
  asr synthesize $name "$out/readers_$name" --engines piper --utterances 60 --voices dev --seed 52
done
# Short words by many voices: of most, few recordings are at hand.
asr synthesize "$here/words.txt" "$out/words_train" --utterances 20000 --voices train --seed 9
# Commands, of which the founding sentences count twice; anything else is made up around them.
"$here/english.sh" "$out/english"
"$here/prose.sh" "$out/prose"
python "$here/everyday.py" "$out/everyday.txt"
cat "$here/commands.txt" "$here/founding.txt" > "$out/commands.txt"
# shellcheck disable=SC2086
asr sentences "$out/commands.txt" "$out/train_texts.txt" --count 200000 --seed 12 \
  --words "$out/english/words.txt" --names "$out/english/names.txt" --sentences "$out/english/sentences.txt" $lists
asr synthesize "$out/train_texts.txt" "$out/hibari" --engines hibari --hours 50 --voices train --seed 5
asr synthesize "$out/train_texts.txt" "$out/formant" --engines espeak-ng,flite,festival,pico --hours 50 --voices train --seed 8
# Many people, who read: prose, everyday English and the same sentences, and commands. Three hours on two quick cores.
python "$here/readings.py" "$out/readings.txt" "$out/prose/prose.txt" "$out/everyday.txt" "$out/english/sentences.txt" \
  "$out/train_texts.txt"
asr synthesize "$out/readings.txt" "$out/readers" --engines piper --hours 50 --voices train --seed 91 --format opus
asr synthesize "$out/train_texts.txt" "$out/readers_commands" --engines piper --hours 25 --voices train --seed 101 --format opus
# Slow, and the nearest to people: a day on two cores. Interrupted, it goes on; or give it fewer hours.
asr synthesize "$out/train_texts.txt" "$out/kokoro" --engines kokoro --hours 25 --voices train --seed 31 --format opus

# shellcheck disable=SC2086
asr tokenizer data/commands/tokenizer.model --vocabulary 600 $lists "$out/train_texts.txt"
# Without the lists that are not there.
while IFS= read -r line; do
  list=$(echo "$line" | grep -o 'data/[a-z0-9_/]*\(.jsonl.gz\)\?' || true)
  case $line in
  *"- "*data/*) [ -e "$list" ] || continue ;;
  esac
  printf '%s\n' "$line"
done < "$here/train.yaml" > data/commands/train.yaml
if [ -e runs/commands/checkpoints/last.ckpt ]; then go_on="--ckpt_path last"; else go_on=; fi
# Without a GPU, two processes of one thread each, which on two cores are faster than one of two threads (README.md).
how=
if [ ! -e /dev/nvidia0 ] && [ "$(uname)" = Linux ] && [ "$(nproc)" -gt 1 ]; then
  export OMP_NUM_THREADS=1
  how="--trainer.accelerator cpu --trainer.devices 2 --trainer.strategy ddp"
fi
# shellcheck disable=SC2086
asr train --config data/commands/train.yaml $how $go_on
asr export runs/commands runs/commands/bundle --average 1 --beam 12 --ctc-weight 0.5 --length-penalty 1.0
# there OPTION PATH...: those paths that are there, each after the option.
there() {
  before=$1 && shift
  for each; do [ ! -e "$each" ] || printf '%s %s ' "$before" "$each"; done
}
# How people write. The weights are those that scripts/choose_decoding.py found best on every 12th dev utterance.
# shellcheck disable=SC2046,SC2086
asr language-model runs/commands/bundle "$out/prose/prose.txt" "$out/everyday.txt" "$out/english/sentences.txt" $lists \
  "$out/commands.txt" "$out/train_texts.txt" --weight 0.3 --ngrams 1200000 \
  $(there --held-out data/*/cuts_dev.jsonl.gz data/*/cuts_test.jsonl.gz)
# Commands of every kind, and people who read and talk as what is none.
# shellcheck disable=SC2046
asr calibrate $(there "" data/speech_commands/cuts_dev.jsonl.gz data/speechocean762/cuts_dev.jsonl.gz \
  data/common_voice/cuts_dev.jsonl.gz data/librispeech_dev/cuts_dev.jsonl.gz) \
  "$out/commands_dev" "$out/founding_dev" "$out/home" "$out/media" "$out/timers" "$out/readers_home" \
  "$out/readers_media" "$out/readers_timers" --bundle runs/commands/bundle \
  $(there --noise data/noise_esc10/cuts_all.jsonl.gz data/noise_ccc_maskers/cuts_all.jsonl.gz \
    data/noise_mycroft/cuts_all.jsonl.gz data/noise_speechbrain/cuts_all.jsonl.gz)
for set in data/*/cuts_dev.jsonl.gz "$out/commands_dev" "$out/founding_dev" "$out/founding_test"; do
  [ -e "$set" ] || continue
  name=$(basename "${set%/cuts_dev.jsonl.gz}")
  asr evaluate "$set" --bundle runs/commands/bundle --out "runs/commands/reports/$name" --record "$name"
done
