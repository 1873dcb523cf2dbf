"""How a recording is heard, stage by stage: each number from the part of the model that computes it."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import numpy as np

from asr.audio.cepstra import band_centres, cepstra_of, log_mel
from asr.audio.load import SAMPLE_RATE
from asr.commands.evidence import MEASURES, Evidence, places
from asr.errors import AudioError, BundleError
from asr.runtime.attention import AttentionGraph, SelfAttentionGraph
from asr.runtime.commander import Commander
from asr.runtime.explain.page import frame, page
from asr.runtime.explain.stages import (
    Account,
    Branch,
    Candidate,
    DecoderStep,
    Floats,
    Measure,
    ScoreWeights,
    Search,
    Stages,
    Times,
)
from asr.runtime.graphs import EncoderOutput
from asr.runtime.transcriber import Transcriber
from asr.runtime.utterances import LONGEST_SECONDS, SpeechPart
from asr.search.alignment import TextBeginning
from asr.search.constraint import Constraint
from asr.search.hypothesis import Hypothesis
from asr.search.tree import TreeNode, TreeRecorder
from asr.text.special import BOS, EOS
from asr.text.tokenizer import WORD_START

LIKELIEST = 5
"""How many of the decoder's next tokens are told."""
END = "end"
"""What the token that ends a text is called."""
MOST_BRANCHES = 16
"""How many branches of a step are told: all that a search as wide as a bundle's has; of a wider one some."""


class Explanation(Account):
    """How a recording was heard. In a notebook it shows itself as the page that ``html`` gives; may be pickled.

    Examples:
        >>> import asr
        >>> told = asr.load().explain("recipes/commands/samples/five_five.flac")
        >>> told.transcript.text, told.stages.free.text
        ('five five', 'five five')
        >>> "</html>" in told.html()
        True
    """

    def html(self) -> str:
        """One page that needs nothing else."""
        return page(self)

    def _repr_html_(self) -> str:
        return frame(self)


def explain(
    transcriber: Transcriber,
    wave: Floats,
    name: str,
    commander: Commander | None = None,
    commands: tuple[str, ...] = (),
) -> Explanation:
    """How a wave (N,), float32 in [-1, 1] at 16 kHz, is heard as one utterance.

    Args:
        transcriber: what hears it.
        wave: the recording.
        name: what the recording is called.
        commander: what understands it, by the same transcriber; without one it is transcribed only.
        commands: the names of its grammars.

    Raises AudioError for another wave, and for one in which there are several: more than 20 s of speech, or in more
    than two minutes phrases that a pause parts.
    """
    utterances = list(islice(transcriber.utterances([wave]), 2))
    if len(utterances) > 1:
        raise AudioError(
            f"{name}: found several utterances, wanted one, of at most {LONGEST_SECONDS:.0f} s from the first word to "
            "the last; cut it"
        )
    utterance = utterances[0] if utterances else None
    transcript = transcriber.transcribe(wave)
    told = Explanation(name, len(wave) / SAMPLE_RATE, wave, transcript, None)
    if utterance is None:
        return told if commander is None else _with_commands(replace(told, commands=commands), commander, None, None)
    part = _HeardPart(transcriber, utterance, transcriber.hear(utterance))
    best, free = part.search(None)
    told = replace(told, stages=_stages(part, best, free))
    if commander is None:
        return told
    found, constrained = part.search(commander.constraint)
    assert told.stages is not None
    told = replace(told, commands=commands, stages=replace(told.stages, constrained=constrained))
    return _with_commands(told, commander, part, found)


def _with_commands(
    told: Explanation, commander: Commander, part: "_HeardPart | None", found: Hypothesis | None
) -> Explanation:
    understanding, rejection = commander.understand(told.wave), commander.rejection
    evidence: tuple[Measure, ...] = ()
    if understanding.evidence is not None and part is not None and found is not None:
        evidence = _measures(understanding.evidence, rejection.weights, part, found)
    return replace(
        told,
        understanding=understanding,
        threshold=rejection.threshold,
        evidence=evidence,
        intercept=rejection.intercept,
    )


def _measures(
    evidence: Evidence, weights: Mapping[str, float], part: "_HeardPart", found: Hypothesis
) -> tuple[Measure, ...]:
    tokenizer = part.transcriber.bundle.tokenizer
    starts = np.array([tokenizer.piece(token).startswith(WORD_START) for token in found.tokens])
    at = places(part.heard.ctc_log_probs, found.tokens, word_starts=starts, wave=part.utterance.wave, rate=SAMPLE_RATE)
    first, end = at.worst_word
    spans, begin = part.times(found.tokens), part.utterance.start / SAMPLE_RATE
    where: dict[str, Times | None] = {
        "worst_word": (spans[first][0], spans[end - 1][1]),
        "worst_moment": part.within(begin + at.worst_moment[0], begin + at.worst_moment[1]),
        "unexplained": at.unexplained and part.within(begin + at.unexplained[0], begin + at.unexplained[1]),
    }
    words = {"worst_word": tokenizer.decode(found.tokens[first:end]).strip()}
    measures = []
    for name, size in zip(MEASURES, evidence.measures().tolist(), strict=True):
        value = getattr(evidence, name)
        # Where nothing is amiss no place is the worst.
        told = (where.get(name), words.get(name)) if value > 0 else (None, None)
        measures.append(Measure(name, value, weights[name], weights[name] * size, *told))
    return tuple(measures)


@dataclass(frozen=True, eq=False)
class _HeardPart:
    """An utterance, and what the encoder made of it."""

    transcriber: Transcriber
    utterance: SpeechPart
    heard: EncoderOutput

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """All tokens as they are written."""
        tokenizer = self.transcriber.bundle.tokenizer
        return tuple(
            END if token == EOS else tokenizer.piece(token).replace(WORD_START, "_")
            for token in range(tokenizer.vocabulary)
        )

    @property
    def step_seconds(self) -> float:
        """From one step of the encoder to the next."""
        bundle = self.transcriber.bundle
        return float(bundle.features.hop_length * bundle.model["stack"] / SAMPLE_RATE)

    def times(self, tokens: Sequence[int]) -> list[Times]:
        """When each token of a text is said."""
        spans = self.transcriber.spans(tokens, self.utterance, self.heard)
        return [(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in spans]

    def about(self, steps: tuple[int, int]) -> Times:
        """What lies around some steps of the encoder, one more on each side."""
        begin = self.utterance.start / SAMPLE_RATE
        return self.within(begin + (steps[0] - 1) * self.step_seconds, begin + (steps[1] + 1) * self.step_seconds)

    def within(self, start: float, end: float) -> Times:
        """What of a time lies in the utterance's own sound, which is in the recording."""
        low, high = (sample / SAMPLE_RATE for sample in self.utterance.own)
        return min(max(start, low), high), min(max(end, low), high)

    def search(self, constraint: Constraint | None) -> tuple[Hypothesis, Search]:
        """What is found, freely or inside a grammar, and how."""
        transcriber, tokenizer, recorder = self.transcriber, self.transcriber.bundle.tokenizer, TreeRecorder()
        best = transcriber.decode(
            self.heard,
            self.utterance.seconds,
            n_best=1 if constraint is None else 2,
            constraint=constraint,
            watch=recorder,
        )[0]
        branches = self._branches(best, recorder)
        options = []
        if constraint is not None:
            place = constraint.start()
            for token in (BOS, *best.tokens):
                place = place if token == BOS else constraint.follow(place, token)
                options.append(len(constraint.options(place).tokens))
        settings = transcriber.search_settings(among_commands=constraint is not None)
        return best, Search(
            tokenizer.decode(best.tokens).strip(),
            transcriber.transcript(best, self.utterance, self.heard).words,
            branches,
            len(recorder.nodes) - len(branches),
            tuple(options),
            settings["width"],
            ScoreWeights(
                1 - settings["ctc_weight"],
                settings["ctc_weight"],
                settings["language_model_weight"],
                settings["length_penalty"],
            ),
        )

    def _branches(self, best: Hypothesis, recorder: TreeRecorder) -> tuple[Branch, ...]:
        tokenizer, way = self.transcriber.bundle.tokenizer, recorder.way_to(best)
        own = dict(zip(way, self.times(best.tokens), strict=False))
        nothing = TextBeginning(self.heard.ctc_log_probs)
        shown = _shown(recorder.nodes, set(way))
        numbers = {place: number for number, place in enumerate(shown)}
        branches: list[Branch] = []
        texts: list[tuple[tuple[int, ...], TextBeginning]] = []
        for place in shown:
            node = recorder.nodes[place]
            parent = None if node.parent is None else numbers[node.parent]
            tokens, beginning = ((), nothing) if parent is None else texts[parent]
            said = None
            if node.token != EOS:
                tokens, beginning = (*tokens, node.token), beginning.grown(node.token)
                said = own.get(place) or (beginning.span and self.about(beginning.span))
            texts.append((tokens, beginning))
            kept = node.hypothesis
            branches.append(
                Branch(
                    parent,
                    node.step,
                    self.pieces[node.token],
                    tokenizer.decode(tokens).strip(),
                    node.score,
                    node.fate,
                    place in own or (node.token == EOS and place in way),
                    None if kept is None else kept.log_prob,
                    None if kept is None else kept.ctc_log_prob,
                    None if kept is None else kept.language_model_log_prob,
                    said,
                )
            )
        return tuple(branches)


def _shown(nodes: Sequence[TreeNode], way: set[int]) -> list[int]:
    """The places of the nodes that are told: of each step those that others go on from, and the best of the rest."""
    steps: dict[int, list[int]] = defaultdict(list)
    for place, node in enumerate(nodes):
        steps[node.step].append(place)
    shown: list[int] = []
    wanted: set[int] = set()  # by what is told of the step after
    for step in sorted(steps, reverse=True):
        needed = wanted | way
        ranked = sorted(steps[step], key=lambda each: (each not in needed, -nodes[each].score))
        # One more where the best text ends while others go on.
        told = ranked[: max(MOST_BRANCHES, sum(each in needed for each in ranked))]
        wanted = {parent for each in told if (parent := nodes[each].parent) is not None}
        shown += told
    return sorted(shown)


def _stages(part: _HeardPart, best: Hypothesis, free: Search) -> Stages:
    bundle, wave, heard = part.transcriber.bundle, part.utterance.wave, part.heard
    mel = log_mel(wave, bundle.features)
    cepstra = cepstra_of(mel, bundle.features)
    try:
        self_attention: Floats | None = SelfAttentionGraph(bundle).weights(wave)
    except BundleError:
        self_attention = None
    stack = int(bundle.model["stack"])
    return Stages(
        part.utterance.start / SAMPLE_RATE,
        wave,
        mel,
        band_centres(bundle.features),
        cepstra,
        bundle.features.speech_range_db,
        np.pad(cepstra, ((0, -len(cepstra) % stack), (0, 0))).reshape(-1, stack * cepstra.shape[1]),
        positions(len(heard.ctc_log_probs), int(bundle.model["d_model"])),
        self_attention,
        np.exp(heard.ctc_log_probs),
        part.pieces,
        _decoder_steps(part, best),
        free,
        None,
        bundle.features.hop_length / SAMPLE_RATE,
        part.step_seconds,
        part.transcriber.decoding.margin_seconds,
    )


def _decoder_steps(part: _HeardPart, best: Hypothesis) -> tuple[DecoderStep, ...] | None:
    try:
        log_probs, attention = AttentionGraph(part.transcriber.bundle).steps(part.heard, best.tokens)
    except BundleError:
        return None
    probabilities, pieces = np.exp(log_probs), part.pieces
    return tuple(
        DecoderStep(
            pieces[token],
            float(row[token]),
            tuple(Candidate(pieces[each], float(row[each])) for each in np.argsort(-row, kind="stable")[:LIKELIEST]),
            looks,
            said,
        )
        for token, row, looks, said in zip(
            (*best.tokens, EOS), probabilities, attention, (*part.times(best.tokens), None), strict=True
        )
    )


def positions(length: int, width: int) -> Floats:
    """What tells the encoder's steps where they are (length, width): sines in even columns, cosines in odd ones."""
    angles = np.arange(length)[:, np.newaxis] * np.exp(np.arange(0, width, 2) * (-math.log(10_000.0) / width))
    hands: Floats = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, -1).astype(np.float32)
    return hands
