"""The web page at ``/``, and what only it asks for: a look inside an utterance, and the check of a grammar."""

import base64
import time
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final
from weakref import WeakKeyDictionary

import numpy as np
from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from numpy.typing import NDArray
from pydantic import BaseModel

from asr.api import Commands
from asr.audio.load import SAMPLE_RATE, open_audio
from asr.commands.grammar.ready import ready_grammars
from asr.printable import printable
from asr.runtime.keys import heard_keys
from asr.runtime.look import Look, Looker
from asr.runtime.transcriber import Transcriber
from asr.runtime.transcript import join
from asr.search.ctc import BLANK
from asr.serve.errors import ErrorBody, Refusal
from asr.serve.hearing import Waiting, answered
from asr.serve.pool import Engine
from asr.serve.service import Service, service_of

PICTURE_SECONDS: Final = 60.0
"""The longest recording that is looked into; of a longer one there is the text alone."""

_FOLDER: Final = Path(__file__).with_name("page")
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FILES: Final = {path.name: path for path in _FOLDER.iterdir() if path.suffix in _TYPES}
_LONGEST_NAME: Final = 100
_NAMED_FROM: Final = 0.15  # probability; a piece that CTC never gives more is not drawn
_CLIPPED: Final = 2.5  # deviations, beyond which a coefficient is as bright as it gets

_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorBody} for status in (400, 401, 403, 408, 413, 421, 429, 500, 503)
}

_lookers: WeakKeyDictionary[Transcriber, Looker] = WeakKeyDictionary()

router = APIRouter()


@router.get("/", include_in_schema=False)
async def index() -> Response:
    """The page."""
    return _file("index.html")


@router.get("/page/{name}", include_in_schema=False)
async def page_file(name: str) -> Response:
    """What the page is made of."""
    return _file(name)


@router.get("/v1/grammars", responses=_REFUSALS)
async def grammars(request: Request) -> dict[str, Any]:
    """The names of grammars that may be chosen, the texts of those that come with the program, and the model.

    What the service was given has no text here, even by the name of a ready one, in whose place it is.
    """
    pool = service_of(request).pool
    ready = {name: path for name, path in ready_grammars().items() if name not in pool.given}
    texts = {name: path.read_text(encoding="utf-8") for name, path in ready.items()}
    return {"model": pool.model_name, "grammars": [{"name": name, "text": texts.get(name)} for name in pool.grammars]}


class GrammarText(BaseModel):
    """A grammar of a client's own."""

    grammar: str


@router.post("/v1/grammar", responses=_REFUSALS)
async def grammar(request: Request, body: GrammarText) -> dict[str, Any]:
    """What `asr commands check` says of a grammar, and its railroad diagrams."""
    return dict(await service_of(request).pool.brought.check(body.grammar))


@router.post("/v1/look", responses=_REFUSALS)
async def look(
    request: Request,
    file: Annotated[UploadFile, File(description="A recording.")],
    commands: Annotated[str | None, Form(description="The name of a grammar.")] = None,
    grammar: Annotated[str | None, Form(description="A grammar of your own, in YAML.")] = None,
) -> dict[str, Any]:
    """The text of a recording, what else it may have been, and pictures of how it was heard."""
    service = service_of(request)
    chosen = await _chosen(request, commands, grammar)
    begun = time.perf_counter()
    name = printable((file.filename or "")[:_LONGEST_NAME]) or "the recording"
    found = await answered(request, lambda engine, waiting: _heard(service, engine, waiting, file.file, name, chosen))
    return {**found, "milliseconds": round(1000 * (time.perf_counter() - begun))}


def _file(name: str) -> Response:
    if name not in _FILES:
        raise Refusal(404, "there is no such file", "not_found")
    path = _FILES[name]
    return Response(path.read_bytes(), media_type=_TYPES[path.suffix], headers={"Cache-Control": "no-cache"})


async def _chosen(request: Request, name: str | None, text: str | None) -> Commands | None:
    pool = service_of(request).pool
    if text is None:
        return None if name is None else pool.grammar(name)
    if name is not None:
        raise Refusal(400, "grammar: found commands too, wanted one of them", "invalid_value", parameter="grammar")
    return await pool.brought.commands(text)


def _heard(
    service: Service, engine: Engine, waiting: Waiting, file: BinaryIO, name: str, commands: Commands | None
) -> dict[str, Any]:
    """What a recording says and looks like; runs on a worker's thread."""
    begun = time.perf_counter()
    transcriber, commander = engine.model.transcriber, engine.commander(commands)
    seen, understanding = None, None
    with open_audio(file, name=name, most_seconds=service.settings.max_seconds) as sound:
        blocks = waiting.blocks(sound.blocks())
        if sound.seconds > PICTURE_SECONDS:
            understanding = None if commander is None else commander.understand_blocks(blocks)
            parts = transcriber.transcribe_blocks(blocks) if understanding is None else [understanding.transcript]
            heard = join(list(parts))
        else:
            wave = np.concatenate(list(blocks))
            understanding = None if commander is None else commander.understand(wave)
            heard = transcriber.transcribe(wave) if understanding is None else understanding.transcript
            if transcriber not in _lookers:
                _lookers[transcriber] = Looker(transcriber)
            waiting.check()
            seen = _lookers[transcriber].look(wave)
    service.metrics.heard("http", sound.seconds, time.perf_counter() - begun)
    n_best = [] if seen is None else seen.n_best
    return {
        **heard_keys(heard, understanding),
        "seconds": round(sound.seconds, 3),
        "n_best": [{"text": each.text, "confidence": round(each.confidence, 4)} for each in n_best],
        "pictures": None if seen is None else pictures(seen),
    }


def pictures(seen: Look) -> dict[str, Any]:
    """What the page draws, with times in seconds from ``start``.

    ``wave`` is the peak (0 to 1) of each frame; ``cepstra`` has the rows of its image from the lowest coefficient, in
    base64, a byte for each value from -2.5 to 2.5; ``ctc`` the tokens that CTC gives anywhere, each with its
    probability at each step; ``attention`` a row for each token and one for the end, or null.
    """
    hop = round(seen.frame_seconds * SAMPLE_RATE)
    peaks = np.abs(np.pad(seen.wave, (0, -len(seen.wave) % hop)).reshape(-1, hop)).max(axis=1)
    bright = np.clip((seen.cepstra.T + _CLIPPED) / (2 * _CLIPPED), 0, 1)
    given = np.flatnonzero(seen.ctc.max(axis=0) >= _NAMED_FROM)
    return {
        "start": round(seen.start, 3),
        "seconds": round(len(seen.wave) / SAMPLE_RATE, 3),
        "frame": seen.frame_seconds,
        "step": seen.step_seconds,
        "wave": _rounded(peaks),
        "cepstra": {
            "rows": bright.shape[0],
            "columns": bright.shape[1],
            "data": base64.b64encode((bright * 255).astype(np.uint8).tobytes()).decode(),
        },
        "ctc": [
            {"token": seen.pieces[token] if token != BLANK else "", "probabilities": _rounded(seen.ctc[:, token])}
            for token in given
        ],
        "tokens": [*seen.tokens, "end"],
        "attention": None if seen.attention is None else [_rounded(row) for row in seen.attention],
    }


def _rounded(values: NDArray[np.floating[Any]]) -> list[float]:
    return [round(float(value), 3) for value in values]
