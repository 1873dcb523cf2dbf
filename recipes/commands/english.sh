#!/bin/sh
# English words by commonness, names, and sentences, from two Debian packages of permissive licences (their copyright
# files are in /usr/share/doc): SCOWL, lists of words by size, and WordNet, whose entries have definitions and examples.
#   apt-get install scowl wordnet-base
#   usage: recipes/commands/english.sh OUT [SCOWL WORDNET]
# Writes OUT/words.txt, common words first, OUT/names.txt and OUT/sentences.txt, one a line; nothing of it is committed.
set -eu
if [ $# -ne 1 ] && [ $# -ne 3 ]; then sed -n '2,6p' "$0" >&2; exit 2; fi
out=$1 scowl=${2:-/usr/share/dict/scowl} wordnet=${3:-/usr/share/wordnet}
export LC_ALL=C
for needed in "$scowl/english-words.10" "$wordnet/data.noun"; do
  [ -e "$needed" ] || { echo "$needed: not found; apt-get install scowl wordnet-base" >&2; exit 1; }
done
mkdir -p "$out"

# Of the sizes up to 50; from the next on, few know the words. No possessives, which every noun has.
for size in 10 20 35 40 50; do
  cat "$scowl"/*-words."$size" "$scowl"/english-contractions."$size" 2>/dev/null | sort -u
done | awk '!/\047s$/ && /^[a-z]+(\047[a-z]+)?$/ && (length > 1 || /[ai]/) && !seen[$0]++' > "$out/words.part"

# People and places; a plural (Americans) is no name.
cat "$scowl"/english-upper.[1-5]0 "$scowl"/english-upper.35 "$scowl"/english-proper-names.[3-5]0 |
  grep -E '^[A-Z][a-z]{2,}$' | sort -u |
  awk '{ name[++count] = $0; known[$0] } END { for (each = 1; each <= count; each++) {
    one = name[each]; if (!(sub(/s$/, "", one) && one in known)) print name[each] } }' > "$out/names.part"

# What follows the bar is the definition, and examples in quotes. Of nouns only the examples: their definitions are
# encyclopaedic.
for kind in noun verb adj adv; do
  sed -n 's/^[0-9][^|]*| //p' "$wordnet/data.$kind" | grep -o '"[^"]*"' | tr -d '"'
  if [ $kind != noun ]; then
    sed -n 's/^[0-9][^|]*| //p' "$wordnet/data.$kind" | sed 's/"[^"]*"//g; s/([^)]*)//g' | tr ';' '\n'
  fi
done | grep -E '[A-Za-z]+[^A-Za-z]+[A-Za-z]+' | grep -v '[0-9(){}<>/=_]' | sed 's/^ *//; s/ *$//' | sort -u > "$out/sentences.part"

for list in words names sentences; do mv "$out/$list.part" "$out/$list.txt"; done
