"""How a recording is heard, stage by stage: each number from the part of the model that computes it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from asr.audio.cepstra import cepstra_of, log_mel
from asr.audio.load import SAMPLE_RATE
from asr.commands.evidence import MEASURES
from asr.errors import AudioError, BundleError
from asr.runtime.attention import AttentionGraph, SelfAttentionGraph
from asr.runtime.commander import Commander
from asr.runtime.explain.page import frame, page
from asr.runtime.explain.stages import Account, Branch, Candidate, DecoderStep, Floats, Measure, Search, Stages
from asr.runtime.graphs import EncoderOutput
from asr.runtime.transcriber import Transcriber
from asr.runtime.utterances import LONGEST_SECONDS, SpeechPart
from asr.search.constraint import Constraint
from asr.search.hypothesis import Hypothesis
from asr.search.tree import TreeRecorder
from asr.text.special import BOS, EOS
from asr.text.tokenizer import WORD_START, Tokenizer

LIKELIEST = 5
"""How many of the decoder's next tokens are told."""
END = "end"
"""What the token that ends a text is called."""


class Explanation(Account):
    """How a recording was heard. In a notebook it shows itself as the page that ``html`` gives."""

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
    stages = None if utterance is None else _stages(transcriber, utterance, commander)
    told = Explanation(name, len(wave) / SAMPLE_RATE, wave, transcript, stages)
    return told if commander is None else _with_commands(replace(told, commands=commands), commander)


def _with_commands(told: Explanation, commander: Commander) -> Explanation:
    understanding, rejection = commander.understand(told.wave), commander.rejection
    evidence: tuple[Measure, ...] = ()
    if understanding.evidence is not None:
        weighed = understanding.evidence.measures()
        evidence = tuple(
            Measure(
                name, getattr(understanding.evidence, name), rejection.weights[name], rejection.weights[name] * size
            )
            for name, size in zip(MEASURES, weighed.tolist(), strict=True)
        )
    return replace(
        told,
        understanding=understanding,
        threshold=rejection.threshold,
        evidence=evidence,
        intercept=rejection.intercept,
    )


def _stages(transcriber: Transcriber, utterance: SpeechPart, commander: Commander | None) -> Stages:
    bundle, wave = transcriber.bundle, utterance.wave
    heard = transcriber.hear(utterance)
    mel = log_mel(wave, bundle.features)
    cepstra = cepstra_of(mel, bundle.features)
    pieces = tuple(_written(bundle.tokenizer, token) for token in range(bundle.tokenizer.vocabulary))
    try:
        self_attention: Floats | None = SelfAttentionGraph(bundle).weights(wave)
    except BundleError:
        self_attention = None
    recorder = TreeRecorder()
    best = transcriber.decode(heard, utterance.seconds, watch=recorder)[0]
    constrained = None
    if commander is not None:
        watching = TreeRecorder()
        found = transcriber.decode(heard, utterance.seconds, n_best=2, constraint=commander.constraint, watch=watching)[
            0
        ]
        constrained = _search(bundle.tokenizer, pieces, found, watching, commander.constraint)
    frame_seconds, stack = bundle.features.hop_length / SAMPLE_RATE, int(bundle.model["stack"])
    return Stages(
        utterance.start / SAMPLE_RATE,
        wave,
        mel,
        cepstra,
        np.pad(cepstra, ((0, -len(cepstra) % stack), (0, 0))).reshape(-1, stack * cepstra.shape[1]),
        positions(len(heard.ctc_log_probs), int(bundle.model["d_model"])),
        self_attention,
        np.exp(heard.ctc_log_probs),
        pieces,
        _decoder_steps(transcriber, heard, best, pieces),
        _search(bundle.tokenizer, pieces, best, recorder, None),
        constrained,
        frame_seconds,
        frame_seconds * stack,
    )


def _decoder_steps(
    transcriber: Transcriber, heard: EncoderOutput, best: Hypothesis, pieces: Sequence[str]
) -> tuple[DecoderStep, ...] | None:
    try:
        log_probs, attention = AttentionGraph(transcriber.bundle).steps(heard, best.tokens)
    except BundleError:
        return None
    probabilities = np.exp(log_probs)
    return tuple(
        DecoderStep(
            pieces[token],
            float(row[token]),
            tuple(Candidate(pieces[each], float(row[each])) for each in np.argsort(-row, kind="stable")[:LIKELIEST]),
            looks,
        )
        for token, row, looks in zip((*best.tokens, EOS), probabilities, attention, strict=True)
    )


def _search(
    tokenizer: Tokenizer,
    pieces: Sequence[str],
    best: Hypothesis,
    recorder: TreeRecorder,
    constraint: Constraint | None,
) -> Search:
    way = set(recorder.way_to(best))
    branches: list[Branch] = []
    texts: list[tuple[int, ...]] = []
    for place, node in enumerate(recorder.nodes):
        before = () if node.parent is None else texts[node.parent]
        texts.append(before if node.token == EOS else (*before, node.token))
        kept = node.hypothesis
        branches.append(
            Branch(
                node.parent,
                node.step,
                pieces[node.token],
                tokenizer.decode(texts[-1]).strip(),
                node.score,
                node.fate,
                place in way,
                None if kept is None else kept.log_prob,
                None if kept is None else kept.ctc_log_prob,
                None if kept is None else kept.language_model_log_prob,
                None if kept is None else kept.constraint_log_prob,
            )
        )
    options = []
    if constraint is not None:
        place = constraint.start()
        for token in (BOS, *best.tokens):
            place = place if token == BOS else constraint.follow(place, token)
            options.append(len(constraint.options(place).tokens))
    return Search(tokenizer.decode(best.tokens).strip(), tuple(branches), tuple(options))


def positions(length: int, width: int) -> Floats:
    """What tells the encoder's steps where they are (length, width): sines in even columns, cosines in odd ones."""
    angles = np.arange(length)[:, np.newaxis] * np.exp(np.arange(0, width, 2) * (-math.log(10_000.0) / width))
    hands: Floats = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, -1).astype(np.float32)
    return hands


def _written(tokenizer: Tokenizer, token: int) -> str:
    return END if token == EOS else tokenizer.piece(token).replace(WORD_START, "_")
