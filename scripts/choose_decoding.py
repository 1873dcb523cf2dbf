"""Word error rate by CTC weight and length penalty on a dev set, to choose a bundle's search settings.

    scripts/choose_decoding.py MANIFEST... [--bundle DIR] [--width N] [--every N]

Each recording is encoded once and searched with every pair of settings. The best pair goes into
`asr export --ctc-weight … --length-penalty …`. Never run it on a test set.
"""

import argparse
import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.progress import track

from asr.bundle import DEFAULT_BUNDLE, read_bundle
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.evaluation.scoring import score
from asr.runtime.graphs import Graphs
from asr.runtime.utterances import find_utterance
from asr.search.beam import beam
from asr.search.limits import MINIMUM_TOKENS, TOKENS_PER_SECOND, max_tokens

CTC_WEIGHTS = (0.0, 0.3, 0.5, 0.7)
LENGTH_PENALTIES = (0.0, 0.6, 1.0)


def main() -> None:
    """Print a table of word error rates, best settings last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", nargs="+", type=Path)
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE)
    parser.add_argument("--width", type=int, default=4)
    parser.add_argument("--every", type=int, default=1, help="take every N-th utterance only")
    arguments = parser.parse_args()

    bundle = read_bundle(arguments.bundle)
    graphs = Graphs(bundle)
    utterances = [u for path in arguments.manifests for u in read_manifest(path)][:: arguments.every]
    pairs = list(itertools.product(CTC_WEIGHTS, LENGTH_PENALTIES))
    texts: dict[tuple[float, float], dict[str, str]] = {pair: {} for pair in pairs}
    for utterance in track(utterances, description="Searching"):
        spoken = find_utterance(read_utterance(utterance), bundle.decoding.margin_seconds)
        if spoken is None:
            for pair in pairs:
                texts[pair][utterance.id] = ""
            continue
        heard = graphs.encode(spoken.wave)
        cap = max_tokens(spoken.seconds, TOKENS_PER_SECOND, MINIMUM_TOKENS)
        for weight, penalty in pairs:
            best = beam(
                graphs.stepper(heard),
                width=arguments.width,
                max_tokens=cap,
                length_penalty=penalty,
                ctc_log_probs=heard.ctc_log_probs,
                ctc_weight=weight,
            )[0]
            texts[weight, penalty][utterance.id] = bundle.tokenizer.decode(best.tokens)
    references = {utterance.id: utterance.text for utterance in utterances}
    rows = []
    for pair in pairs:
        report = score(references, texts[pair], normaliser=bundle.normaliser, bootstrap=1)
        rows.append((report.wer.value if report.wer else 0.0, report.sentence_accuracy.value, *pair))
    print(f"{len(utterances)} utterances, width {arguments.width}\n")
    print("| CTC weight | length penalty | WER | sentences right |\n| ---: | ---: | ---: | ---: |")
    for wer, right, weight, penalty in sorted(rows, reverse=True):
        print(f"| {weight} | {penalty} | {wer:.1%} | {right:.1%} |")


if __name__ == "__main__":
    main()
