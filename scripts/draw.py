"""Pictures of what the model makes of a recording, and of how a training went; needs the [train] extra."""

import argparse
import math
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE, load_audio
from asr.audio.mfcc import Mfcc
from asr.bundle import DEFAULT_BUNDLE, Bundle, read_bundle
from asr.errors import AsrError
from asr.model.saved import load_model
from asr.model.torch_stepper import TorchStepper
from asr.runtime.timing import token_spans
from asr.runtime.transcript import Transcript, transcript_of
from asr.runtime.utterances import LONGEST_SECONDS, SpeechPart, find_utterance
from asr.search.beam import beam
from asr.search.limits import MINIMUM_TOKENS, TOKENS_PER_SECOND, max_tokens
from asr.text.tokenizer import BOS, PAD, WORD_START
from asr.training.attention import cross_attention
from asr.training.curves import ABOVE, COLOURS, DOTS_PER_INCH, STYLE, WIDTH_INCHES, draw_training, read_metrics

Floats = NDArray[np.float32]

BLANK = "#dcdcdc"
NAMED_FROM = 0.15  # a piece that CTC never gives more is not named
MOST_ROWS = 60  # pieces that have room beside the attention


@dataclass(frozen=True)
class Look:
    """What the model makes of one recording."""

    wave: Floats  # (N,)
    features: Floats  # (T, F)
    ctc: Floats  # (S, V), probabilities
    attention: Floats  # (U, S), of the query that gives piece u
    pieces: list[str]  # (V,)
    transcript: Transcript


def look(bundle: Bundle, utterance: SpeechPart) -> Look:
    """Transcribe an utterance in torch, and keep what the parts say on the way."""
    model, wave, seconds = load_model(bundle), utterance.wave, utterance.seconds
    with torch.no_grad():
        features, _ = Mfcc(bundle.features)(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))
        encoded = model.encode(features)
        best = beam(
            TorchStepper(model, encoded.memory),
            max_tokens=max_tokens(seconds, TOKENS_PER_SECOND, MINIMUM_TOKENS),
            ctc_log_probs=encoded.ctc_log_probs[0].numpy(),
            **bundle.decoding.of_search(),
        )[0]
        spans = token_spans(
            utterance,
            encoded.ctc_log_probs[0].numpy(),
            best.tokens,
            [bundle.tokenizer.piece(token) for token in best.tokens],
            model.settings.stack * bundle.features.hop_length,
        )
        attention = cross_attention(model, encoded, torch.tensor([[BOS, *best.tokens]]))
    return Look(
        wave,
        features[0].numpy(),
        encoded.ctc_log_probs[0].exp().numpy(),
        attention.mean(dim=0).numpy(),
        [written(bundle.tokenizer.piece(token)) for token in range(bundle.tokenizer.vocabulary)],
        transcript_of(best, bundle.tokenizer, spans, seconds),
    )


def written(piece: str) -> str:
    """A piece in signs that every font draws well; an underscore says that it begins a word."""
    return piece.replace(WORD_START, "_")


def draw_look(seen: Look, bundle: Bundle, name: str) -> Figure:
    """Waveform, features, CTC and attention under one another, on one axis of time."""
    rows = len(seen.attention)
    tall = min(0.2 * rows + 0.5, 9.0)
    heights = [1.1, 1.9, 1.9, max(tall, 1.4)]
    figure = Figure((WIDTH_INCHES, sum(heights) + 1.2), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots(4, 1, sharex=True, height_ratios=heights)
    hop = bundle.features.hop_length / SAMPLE_RATE
    step = hop * int(bundle.model["stack"])
    words = "   ".join(f"{word.text}\N{NO-BREAK SPACE}{word.confidence:.0%}" for word in seen.transcript.words)
    figure.suptitle(textwrap.fill(words or "no words heard", 85), fontsize=14, fontweight="bold")
    draw_wave(axes[0], seen.wave, name)
    shown = axes[1].imshow(
        seen.features.T, extent=extent(len(seen.features), hop, hop, seen.features.shape[1]), **IMAGE
    )
    shown.set_clim(-2.5, 2.5)
    axes[1].invert_yaxis()
    axes[1].set(ylabel="coefficient", title="MFCC, each coefficient with mean 0 and variance 1")
    bar(figure, axes[1], shown, "deviations")
    draw_ctc(axes[2], seen, np.arange(len(seen.ctc) + 1) * step - hop / 2)
    shown = axes[3].imshow(seen.attention, extent=extent(seen.attention.shape[1], step, hop, rows), **IMAGE)
    every = math.ceil(rows / MOST_ROWS)
    shown.set_clim(0, None)
    axes[3].set_yticks(range(0, rows, every), [*map(written, seen.transcript.tokens), "end"][:rows:every])
    axes[3].set(ylabel="piece", title="Cross-attention of the decoder (last layer, mean of the heads)")
    bar(figure, axes[3], shown, "weight")
    axes[3].set(xlabel="time (s)", xlim=(0, max(len(seen.wave) / SAMPLE_RATE, step)))
    return figure


IMAGE: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest", "cmap": "viridis"}


def extent(columns: int, wide: float, hop: float, rows: int) -> tuple[float, float, float, float]:
    """Where an image of (rows, columns) lies: a frame is centred on its hop, and row 0 is on top."""
    return -hop / 2, columns * wide - hop / 2, rows - 0.5, -0.5


def bar(figure: Figure, axis: Axes, shown: Any, label: str) -> None:
    """A colour bar beside an image that leaves the image as wide as its neighbours."""
    figure.colorbar(shown, cax=axis.inset_axes((1.012, 0, 0.012, 1)), label=label)


def draw_wave(axis: Axes, wave: Floats, name: str) -> None:
    """The wave (N,)."""
    axis.plot(np.arange(len(wave)) / SAMPLE_RATE, wave, color=COLOURS[0], linewidth=0.5)
    peak = max(float(np.abs(wave).max()), 1e-3) * 1.05
    axis.set(ylim=(-peak, peak), ylabel="amplitude\n(full scale 1)")
    axis.set_title(name, parse_math=False)  # a dollar in it begins no formula


def draw_ctc(axis: Axes, seen: Look, edges: NDArray[np.float64]) -> None:
    """Probability of each piece over the steps between edges (S + 1,) in seconds; a piece is named at its peaks."""
    axis.stairs(seen.ctc[:, PAD], edges, fill=True, color=BLANK, label="blank: no new piece")
    heard = seen.ctc.copy()
    heard[:, PAD] = 0
    best = heard.argmax(axis=1)
    found = [token for token in np.argsort(heard.argmax(axis=0), kind="stable") if heard[:, token].max() >= NAMED_FROM]
    for number, token in enumerate(found):
        colour = COLOURS[number % len(COLOURS)]
        axis.stairs(heard[:, token], edges, color=colour, linewidth=1.6)
        around = np.pad(heard[:, token], 1)
        peaks = (around[1:-1] > around[:-2]) & (around[1:-1] >= around[2:]) & (best == token)
        for at in np.flatnonzero(peaks & (heard[:, token] >= NAMED_FROM)):
            axis.annotate(
                seen.pieces[token],
                ((edges[at] + edges[at + 1]) / 2, heard[at, token]),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                color=colour,
                fontweight="bold",
            )
    axis.set(ylim=(0, 1.18), yticks=[0, 0.5, 1], ylabel="probability", title="CTC: when the encoder hears each piece")
    axis.legend(**ABOVE)


def main() -> int:
    """Draw; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    recording = kinds.add_parser("recording", help="what the model makes of a recording")
    recording.add_argument("source", type=Path, metavar="FILE", help=f"at most {LONGEST_SECONDS:g} s of speech")
    recording.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, help="folder of the model")
    training = kinds.add_parser("training", help="the curves of a training")
    training.add_argument("source", type=Path, metavar="RUN", help="the folder given to `asr train` as run")
    for kind in (recording, training):
        kind.add_argument("out", type=Path, metavar="OUT.png", help="the picture; one that is there is replaced")
    options = parser.parse_args()
    try:
        if options.out.suffix.lower() != ".png":
            raise AsrError(f"{options.out}: found a name that does not end in .png, wanted one that does; rename it")
        with rc_context(STYLE):
            if options.kind == "recording":
                bundle, wave = read_bundle(options.bundle), load_audio(options.source)
                utterance = find_utterance(wave, bundle.decoding.margin_seconds)
                if utterance is None or utterance.seconds > LONGEST_SECONDS:
                    found = 0.0 if utterance is None else utterance.seconds
                    raise AsrError(
                        f"{options.source}: found {found:.1f} s of speech, wanted some and at most "
                        f"{LONGEST_SECONDS:g} s, which the model hears in one piece; cut it"
                    )
                seen = look(bundle, utterance)
                figure, said = draw_look(seen, bundle, options.source.name), seen.transcript.text
            else:
                figure, said = draw_training(read_metrics(options.source)), f"training {options.source.name}"
            figure.savefig(options.out, metadata={"Description": said})
    except (AsrError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
