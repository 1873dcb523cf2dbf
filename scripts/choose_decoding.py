"""Word error rate by the weights of CTC and the language model and by length penalty, to choose a bundle's settings.

    scripts/choose_decoding.py MANIFEST... [--bundle DIR] [--width N] [--every N]

Each recording of a dev set is encoded once and searched with all settings. The best go into `asr export --ctc-weight …
--length-penalty …` and `asr language-model --weight …`. Never run it on a test set.
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
LENGTH_PENALTIES = (0.6, 1.0, 1.4)
LANGUAGE_MODEL_WEIGHTS = (0.0, 0.2, 0.3, 0.4)  # where the bundle has a language model


def main() -> None:
    """Print a table of word error rates, best settings last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", nargs="+", type=Path)
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE)
    parser.add_argument("--width", type=int, help="of the beam; the bundle's, where none is given")
    parser.add_argument("--every", type=int, default=1, help="take every N-th utterance only")
    arguments = parser.parse_args()

    bundle = read_bundle(arguments.bundle)
    width = arguments.width or bundle.decoding.width
    graphs = Graphs(bundle)
    utterances = [u for path in arguments.manifests for u in read_manifest(path)][:: arguments.every]
    by_language = LANGUAGE_MODEL_WEIGHTS if bundle.language_model else (0.0,)
    settings = list(itertools.product(CTC_WEIGHTS, LENGTH_PENALTIES, by_language))
    texts: dict[tuple[float, float, float], dict[str, str]] = {each: {} for each in settings}
    for utterance in track(utterances, description="Searching"):
        spoken = find_utterance(read_utterance(utterance), bundle.decoding.margin_seconds)
        if spoken is None:
            for each in settings:
                texts[each][utterance.id] = ""
            continue
        heard = graphs.encode(spoken.wave)
        cap = max_tokens(spoken.seconds, TOKENS_PER_SECOND, MINIMUM_TOKENS)
        for weight, penalty, by_words in settings:
            best = beam(
                graphs.stepper(heard),
                width=width,
                max_tokens=cap,
                length_penalty=penalty,
                ctc_log_probs=heard.ctc_log_probs,
                ctc_weight=weight,
                language_model=bundle.language_model,
                language_model_weight=by_words,
            )[0]
            texts[weight, penalty, by_words][utterance.id] = bundle.tokenizer.decode(best.tokens)
    references = {utterance.id: utterance.text for utterance in utterances}
    rows = []
    for each in settings:
        report = score(references, texts[each], normaliser=bundle.normaliser, bootstrap=1)
        rows.append(
            (
                report.wer.value if report.wer else 0.0,
                report.sentence_accuracy.value if report.sentence_accuracy else 0.0,
                *each,
            )
        )
    print(f"{len(utterances)} utterances, width {width}\n")
    print(
        "| CTC weight | length penalty | language model | WER | sentences right |\n| ---: | ---: | ---: | ---: | ---: |"
    )
    for wer, right, *chosen in sorted(rows, reverse=True):
        print(f"| {' | '.join(map(str, chosen))} | {wer:.1%} | {right:.1%} |")


if __name__ == "__main__":
    main()
