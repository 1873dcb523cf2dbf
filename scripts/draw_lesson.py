"""Draw the figures of docs/how-it-works.md, of the numbers that its code computes; needs the [train] extra.

They lie in docs/how-it-works, and each says in its `Description` which numbers it shows.
"""

import argparse
import io
import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from run_lesson import PAGE, pieces, run

from asr.api import read_source
from asr.audio.load import SAMPLE_RATE
from asr.files import write_whole
from asr.search.beam import beam
from asr.search.hypothesis import Hypothesis
from asr.text.special import BOS, EOS, PAD
from asr.text.tokenizer import WORD_START
from asr.training.curves import COLOURS, STYLE

FOLDER = PAGE.with_suffix("")
HOP, STEP = 0.01, 0.06  # seconds of a feature vector and of a step of the encoder
HEAD = 3  # that is shown large, of 1 to 4
QUIET = "#999999"
STYLES = {**STYLE, "font.size": 11, "axes.titlesize": 11, "axes.titleweight": "bold"}
DOTS_PER_INCH, WIDTH_INCHES = 150, 6.4
COLOURS_KEPT = 64  # of a picture
SHARE: dict[str, Any] = {"cmap": "Blues", "vmin": 0, "vmax": 1}

Names = dict[str, Any]  # those of the page after its code has run
Drawn = tuple[Figure, Iterable[float]]  # a figure, and some of its numbers, by which a stale one is known


def new(height: float, rows: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure so many inches high, and its axes."""
    figure = Figure((WIDTH_INCHES, height), dpi=DOTS_PER_INCH, layout="constrained")
    return figure, figure.subplots(rows, 1, **options)


def label(axis: Axes, columns: list[str], rows: list[str]) -> None:
    """Names of the columns, above, and of the rows of an image."""
    axis.set_xticks(range(len(columns)), map(plain, columns), rotation=90)
    axis.set_yticks(range(len(rows)), map(plain, rows))
    axis.xaxis.set_label_position("top")
    axis.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)


def plain(piece: str) -> str:
    """A piece with a mark of its beginning that is not bolder than its letters."""
    return piece.replace(WORD_START, "_")


def transitions(page: Names) -> Drawn:
    """The Markov model's table."""
    follows, words = page["follows"], page["words"]
    figure, axis = new(6.2)
    axis.imshow(follows, **SHARE)
    label(axis, words, words)
    axis.set(ylabel="this word …", xlabel="… is followed by this one")
    for row, column in np.argwhere((follows > 0) & (follows < 1)):
        share = follows[row, column]
        axis.text(column, row, f"{share:.2f}".lstrip("0"), ha="center", va="center", fontsize=6.5, color=ink(share))
    return figure, follows[follows > 0]


def ink(share: float) -> str:
    """What can be read on a field of that share."""
    return "white" if share > 0.55 else "black"


def heads(page: Names) -> Drawn:
    """One head's whole triangle, and what all four find for "ran"."""
    figure, (whole, *strips) = new(9.0, 3, height_ratios=[5, 1.6, 1.6])
    shown: list[float] = []
    for axis, sentence in zip(strips, page["sentences"][:5:-1], strict=True):
        names, looks = page["heads_of"](sentence)
        found = looks[:, names.index("an")][:, : names.index("an") + 1]
        if axis is strips[0]:
            whole.imshow(np.where(np.tri(len(names)), looks[HEAD - 1], np.nan), **SHARE)
            label(whole, names, names)
            whole.set(ylabel="this piece …", xlabel="… looks at these")
            whole.set_title(f"Head {HEAD} of the first layer", pad=12)
        axis.imshow(found, aspect="auto", **SHARE)
        label(axis, names[: found.shape[1]], [f"head {number + 1}" for number in range(len(found))])
        axis.set_title('Where "an" of "ran" looks, head by head', pad=8)
        for row, column in np.argwhere(found > 0.2):
            share = found[row, column]
            axis.text(column, row, f"{share:.1f}".lstrip("0"), ha="center", va="center", fontsize=9, color=ink(share))
        shown += found.max(axis=1).tolist()
    return figure, shown


def mfcc(page: Names) -> Drawn:
    """Wave, MFCC and the likeness of each moment to each."""
    wave, features, alike = read_source(page["five_five"]), page["mfcc"], page["alike"]
    figure, (above, middle, below) = new(8.6, 3, sharex=True, height_ratios=[1, 2, 5.6])
    seconds = len(features) * HOP
    above.plot(np.arange(len(wave)) / SAMPLE_RATE, wave, color=COLOURS[0], linewidth=0.5)
    above.set(title='"five five": the wave', yticks=[])
    middle.imshow(
        features.T, aspect="auto", origin="lower", extent=(0, seconds, 0, features.shape[1]), vmin=-2.5, vmax=2.5
    )
    middle.set(title="its MFCC", ylabel="coefficient")
    below.imshow(alike, extent=(0, seconds, seconds, 0), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    below.set(title="how alike each moment is to each", xlabel="time (s)", ylabel="time (s)")
    return figure, alike[36:64:4, 80:].max(axis=1)


def across(page: Names) -> Drawn:
    """Where one head of the decoder looks in the recording, piece by piece."""
    looks, start = page["across"][HEAD - 1], page["start"]
    figure, axis = new(3.6)
    end = start + looks.shape[1] * STEP
    axis.imshow(looks, aspect="auto", extent=(start, end, len(looks) - 0.5, -0.5), **SHARE)
    axis.set_yticks(range(len(looks)), [plain(page["piece"](token)) for token in page["next_tokens"]])
    axis.set(xlabel="time in the recording (s)", title=f"Where head {HEAD} of the last layer looks for each piece")
    return figure, [*axis.get_xlim(), *looks.max(axis=1)]


def ctc(page: Names) -> Drawn:
    """CTC's probabilities step by step."""
    probabilities = np.exp(page["heard"].ctc_log_probs)
    figure, axis = new(2.8)
    edges = page["start"] + np.arange(len(probabilities) + 1) * STEP
    axis.stairs(probabilities[:, PAD], edges, fill=True, color="#dcdcdc", label="blank")
    spoken = [token for token in dict.fromkeys(probabilities.argmax(axis=1).tolist()) if token != PAD]
    for number, token in enumerate(spoken):
        colour, at = COLOURS[number % len(COLOURS)], probabilities[:, token].argmax()
        axis.stairs(probabilities[:, token], edges, color=colour, linewidth=1.6)
        height = 1.05 + 0.16 * (number % 2)
        middle = edges[at] + STEP / 2
        axis.text(middle, height, plain(page["piece"](token)), ha="center", color=colour, fontweight="bold")
    axis.set(xlim=edges[[0, -1]], ylim=(0, 1.35), yticks=[0, 0.5, 1])
    axis.set(xlabel="time in the recording (s)", ylabel="probability")
    axis.set_title("What CTC says at each step")
    axis.legend(loc="lower right", frameon=True)
    return figure, [*axis.get_xlim(), *probabilities.max(axis=1)]


class Watched:
    """A stepper that notes which beginnings a search goes on with, step by step."""

    def __init__(self, stepper: Any) -> None:
        self.stepper = stepper
        self.kept: list[list[tuple[int, ...]]] = []

    def start(self) -> Any:
        """As the stepper's, beside the beginnings of the rows."""
        return self.stepper.start(), [()]

    def step(self, state: Any, tokens: NDArray[np.int64], parents: NDArray[np.int64]) -> Any:
        """As the stepper's."""
        begun = [(*state[1][parent], int(token)) for token, parent in zip(tokens, parents, strict=True)]
        self.kept.append(begun)
        log_probs, inner = self.stepper.step(state[0], tokens, parents)
        return log_probs, (inner, begun)


def search_tree(page: Names, width: int) -> tuple[list[list[tuple[int, ...]]], Hypothesis]:
    """The beginnings that a beam keeps of the sentences of the page's chain, and what it finds."""
    watched = Watched(page["Chain"]())
    (best,) = beam(watched, width=width, max_tokens=20, length_penalty=0)
    return watched.kept, best


def beam_tree(page: Names) -> Drawn:
    """The tree of a beam of three."""
    words, follows = page["words"], page["follows"]
    kept, best = search_tree(page, 3)
    winner = (BOS, *best.tokens)

    def name(token: int) -> str:
        return words[token - EOS]

    def probability(begun: tuple[int, ...]) -> float:
        places = [0, *(token - EOS for token in begun[1:])]
        return float(np.prod([follows[now, then] for now, then in itertools.pairwise(places)]))

    figure, axis = new(5.2)
    numbers: list[float] = []
    heights = {(BOS,): 0.0}
    for depth, before in enumerate(kept[:5], start=1):
        after = set(kept[depth]) if depth < len(kept) else set()
        children = [
            (*begun, column + EOS)
            for begun in sorted(before, key=lambda begun: heights[begun])
            for column in np.flatnonzero(follows[max(begun[-1] - EOS, 0)])
        ]
        for number, child in enumerate(children):
            height = heights[child] = number - (len(children) - 1) / 2
            ended = child[-1] == EOS
            won = child == winner[: len(child)] or child == (*winner, EOS)
            colour = COLOURS[1] if won else "black" if child in after or ended else QUIET
            # Level as far as its column has words, and behind its own: a slope would run through others.
            start = heights[child[:-1]]
            ends = [max(depth - 1, 0.38), depth - 0.33, depth - 0.05]
            above = 3 if won else 1 if colour == QUIET else 2
            axis.plot(ends, [start, start, height], color=colour, linewidth=1, zorder=above)
            said = "end" if ended else name(child[-1])
            axis.text(
                depth,
                height,
                f"{said}\n{probability(child):.3f}",
                color=colour,
                va="center",
                fontsize=9,
                fontweight="bold" if won else "normal",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
                zorder=4,
            )
            numbers.append(probability(child))
    tall = max(abs(height) for height in heights.values()) + 0.7
    axis.set(xlim=(0.3, min(len(kept), 5) + 0.8), ylim=(tall, -tall))
    axis.axis("off")
    axis.set_title("A beam of three: orange is what wins, grey is what is dropped")
    return figure, numbers


def mask(page: Names) -> Drawn:
    """What the decoder expects after "two nine", before and after the mask of a grammar."""
    before, after = page["before"], page["after"]
    tokens = np.argsort(-before)[:4].tolist()
    tokens += [token for token in np.argsort(-after)[:4].tolist() if token not in tokens]
    figure, axes = new(4.4, 2, sharex=True)
    for axis, heard, title in zip(axes, (before, after), ("before the mask", "after it"), strict=True):
        colours = [COLOURS[0] if after[token] else QUIET for token in tokens]
        axis.barh(range(len(tokens)), heard[tokens], color=colours)
        for row, token in enumerate(tokens):
            axis.text(heard[token] + 0.005, row, f"{heard[token]:.4f}" if heard[token] else "not allowed", va="center")
        axis.set_yticks(range(len(tokens)), [plain(page["piece"](token)) for token in tokens])
        axis.set(title=f'after "two nine", {title}', xlim=(0, 1.2 * before.max()))
        axis.invert_yaxis()
    axes[-1].set_xlabel("probability of the next token")
    return figure, [*before[tokens], *after[tokens]]


def refusal(page: Names) -> Drawn:
    """The evidence for each recording, and the confidence that it makes."""
    found = sorted(page["evidence"].items(), key=lambda pair: pair[1][0])
    totals = [total for _, (total, _) in found]
    figure, axis = new(3.6)
    colours = [COLOURS[2] if each.understood else COLOURS[1] for _, (_, each) in found]
    axis.barh(range(len(found)), totals, color=colours)
    axis.set_yticks(range(len(found)), [name.replace("_", " ") for name, _ in found])
    axis.set_xlabel("sum of the weighed evidence")
    threshold = page["rejection"].threshold
    axis.axvline(np.log(threshold / (1 - threshold)), color="black", linewidth=1, linestyle="--")
    axis.annotate("rejected", (0.02, 0.9), xycoords="axes fraction", color=COLOURS[1], fontweight="bold")
    axis.annotate("accepted", (0.98, 0.05), xycoords="axes fraction", ha="right", color=COLOURS[2], fontweight="bold")
    marks = np.array([0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
    above = axis.secondary_xaxis("top")
    above.set_xticks(np.log(marks / (1 - marks)), [f"{mark:g}" for mark in marks])
    above.set_xlabel("confidence")
    return figure, totals


FIGURES: dict[str, Callable[[Names], Drawn]] = {
    "transitions": transitions,
    "heads": heads,
    "mfcc": mfcc,
    "ctc": ctc,
    "across": across,
    "beam": beam_tree,
    "mask": mask,
    "refusal": refusal,
}


def draw(name: str, page: Names) -> tuple[bytes, list[float]]:
    """A figure as PNG, and its numbers."""
    with rc_context(STYLES):
        figure, numbers = FIGURES[name](page)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png")
    told = [round(float(number), 3) for number in numbers]
    about = PngImagePlugin.PngInfo()
    about.add_text("Description", json.dumps(told))
    small = io.BytesIO()
    with Image.open(drawn) as picture:
        few = picture.convert("RGB").quantize(COLOURS_KEPT, dither=Image.Dither.NONE)
        few.save(small, format="png", optimize=True, pnginfo=about)
    return small.getvalue(), told


def main() -> None:
    """Run the page and draw all."""
    argparse.ArgumentParser(description=__doc__).parse_args()  # there are no options but --help
    names: Names = {}
    for _ in run(pieces(PAGE.read_text(encoding="utf-8")), names):
        pass
    FOLDER.mkdir(exist_ok=True)
    for name in FIGURES:
        write_whole(FOLDER / f"{name}.png", draw(name, names)[0])


if __name__ == "__main__":
    main()
