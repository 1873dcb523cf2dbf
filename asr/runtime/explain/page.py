"""An explanation as one page: its numbers as JSON, and the script that draws them; nothing is from elsewhere."""

import base64
import hashlib
import html
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asr.audio.encoding import to_int16
from asr.audio.load import SAMPLE_RATE
from asr.printable import printable
from asr.runtime.explain.stages import Account, Search, Stages
from asr.runtime.transcript import Transcript, Word
from asr.search.ctc import BLANK

NAMED_FROM: Final = 0.15
"""Probability; a token that CTC never gives more is not drawn."""
_MOST_SILENCE: Final = 20.0  # seconds that are shown of a recording in which nobody speaks
_BARS: Final = 700
_PARTS: Final = {"decoder": "decoder", "ctc": "CTC", "language_model": "language model"}
"""What a branch's score is made of, and how it is called on the page."""
_FOLDER: Final = Path(__file__).parent

MEANINGS: Final = {
    "gap": "how much better CTC explains the sound freely, for each token",
    "worst_word": "how much better CTC explains freely the sound of the word for which that is worst, for each token",
    "silence": "how much better CTC explains freely the steps in which the reading says nothing",
    "worst_moment": "how much better CTC explains freely the 0.4 s for which that is worst",
    "surprise": "how unlikely the decoder finds the reading, for each token",
    "free": "by how much free decoding scores higher",
    "unexplained": "seconds of the longest loud stretch that no token is near, weighed in tenths",
    "lead": "by how much the reading scores higher than the next of the grammar",
    "tokens": "how many tokens it has",
}
"""What each measure of evidence says, for who knows nothing of it."""


def page(heard: Account) -> str:
    """The page. Whatever a recording, a grammar or a tokenizer holds is escaped."""
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    policy = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {
        "title": html.escape(_title(heard)),
        "policy": f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{policy}'",
        "style": (_FOLDER / "page.css").read_text(encoding="utf-8"),
        "script": script,
        "content": _escaped(json.dumps(content(heard), separators=(",", ":"), allow_nan=False)),
    }
    whole = (_FOLDER / "page.html").read_text(encoding="utf-8")
    before, *places = whole.split("{{")
    return before + "".join(parts[name] + rest for name, rest in (place.split("}}", 1) for place in places))


def frame(heard: Account) -> str:
    """The page within another, a notebook's, of which it sees nothing and which sees nothing of it."""
    return (
        f'<iframe srcdoc="{html.escape(page(heard))}" sandbox="allow-scripts" '
        'style="width: 100%; height: 50rem; border: 0"></iframe>'
    )


def content(heard: Account) -> dict[str, Any]:
    """The numbers of the page, as JSON holds them."""
    stages = heard.stages
    shown = heard.wave[: round(_MOST_SILENCE * SAMPLE_RATE)] if stages is None else stages.wave
    return {
        "name": _title(heard),
        "seconds": heard.seconds,
        "start": 0.0 if stages is None else stages.start,
        "span": len(shown) / SAMPLE_RATE,
        "rate": SAMPLE_RATE,
        "sound": _packed(to_int16(shown).astype("<i2").tobytes()),
        "wave": _bars(shown),
        "transcript": _transcript(heard.transcript),
        "command": _command(heard),
        "stages": None if stages is None else _stages(stages),
    }


def _title(heard: Account) -> str:
    """The recording's name without where it lies, which is nothing to show to others."""
    return printable(Path(heard.name).name)


def _stages(stages: Stages) -> dict[str, Any]:
    seen = np.flatnonzero(stages.ctc.max(axis=0) >= NAMED_FROM)
    likeliest = np.argsort(-stages.ctc, axis=1, kind="stable")[:, :3]
    return {
        "frame": stages.frame_seconds,
        "step": stages.step_seconds,
        "margin": stages.margin_seconds,
        "loud": stages.speech_range_db,
        "mel": _image(stages.mel),
        "hertz": [round(each, 1) for each in stages.hertz.tolist()],
        "cepstra": _image(stages.cepstra),
        "stacked": _image(stages.stacked),
        "positions": _image(stages.positions),
        "attention": None
        if stages.self_attention is None
        else [[_image(head) for head in layer] for layer in stages.self_attention],
        "ctc": [
            {"token": "" if token == BLANK else stages.pieces[token], "probabilities": _rounded(stages.ctc[:, token])}
            for token in seen.tolist()
        ],
        "likeliest": [
            [["" if token == BLANK else stages.pieces[token], round(float(row[token]), 4)] for token in tokens]
            for row, tokens in zip(stages.ctc, likeliest.tolist(), strict=True)
        ],
        "vocabulary": len(stages.pieces),
        "decoder": None
        if stages.decoder is None
        else [
            {
                "token": step.token,
                "probability": round(step.probability, 4),
                "likeliest": [[each.token, round(each.probability, 4)] for each in step.likeliest],
                "attention": _image(step.attention),
                "said": step.said,
            }
            for step in stages.decoder
        ],
        "free": _search(stages.free),
        "constrained": None if stages.constrained is None else _search(stages.constrained),
    }


def _search(search: Search) -> dict[str, Any]:
    weights = search.weights
    return {
        "text": search.text,
        "words": _words(search.words),
        "options": search.options,
        "width": search.width,
        "weights": {name: getattr(weights, part) for part, name in _PARTS.items()},
        "penalty": weights.length_penalty,
        "left": search.left_out,
        "branches": [
            {
                "parent": each.parent,
                "step": each.step,
                "token": each.token,
                "text": each.text,
                "score": round(each.score, 4),
                "fate": each.fate,
                "best": each.best,
                "said": each.said,
                "parts": {
                    name: round(value, 4) for part, name in _PARTS.items() if (value := getattr(each, part)) is not None
                },
            }
            for each in search.branches
        ],
    }


def _transcript(transcript: Transcript) -> dict[str, Any]:
    return {
        "text": transcript.text,
        "confidence": transcript.confidence,
        "words": _words(transcript.words),
    }


def _words(words: Sequence[Word]) -> list[dict[str, Any]]:
    return [{"word": word.text, "start": word.start, "end": word.end, "confidence": word.confidence} for word in words]


def _command(heard: Account) -> dict[str, Any] | None:
    found = heard.understanding
    if found is None:
        return None
    return {
        "grammars": [printable(name) for name in heard.commands],
        "understood": found.understood,
        "reading": None
        if found.reading is None
        else {"command": found.reading.command, "slots": dict(found.reading.slots), "text": found.reading.text},
        "transcript": _transcript(found.transcript),
        "confidence": found.confidence,
        "threshold": heard.threshold,
        "intercept": heard.intercept,
        "evidence": [
            {
                "name": each.name.replace("_", " "),
                "meaning": MEANINGS[each.name],
                "value": each.value,
                "weight": each.weight,
                "points": each.points,
                "where": each.where,
                "word": each.word,
            }
            for each in heard.evidence
        ],
    }


def _image(values: NDArray[np.floating[Any]]) -> dict[str, Any]:
    """An array (rows, columns) in steps of a 255th of its range."""
    low, high = float(values.min()), float(values.max())
    scaled = np.rint((values - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)
    return {
        "rows": values.shape[0],
        "columns": values.shape[1],
        "low": low,
        "high": high,
        "data": _packed(scaled.tobytes()),
    }


def _bars(wave: NDArray[np.float32]) -> list[list[float]]:
    """The lowest and the highest sample of each of at most 700 parts of a wave."""
    parts = np.array_split(wave, min(_BARS, len(wave)) or 1)
    return [[round(float(part.min(initial=0)), 4), round(float(part.max(initial=0)), 4)] for part in parts]


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode()


def _rounded(values: NDArray[np.floating[Any]]) -> list[float]:
    return [round(float(value), 4) for value in values]


def _escaped(text: str) -> str:
    """JSON that ends no script and begins no comment, wherever in a page it stands."""
    for each in "<>&\u2028\u2029":
        text = text.replace(each, f"\\u{ord(each):04x}")
    return text
