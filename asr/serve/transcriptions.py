"""OpenAI's transcription API: recordings in, text, subtitles or JSON out, and the command in them if that is wanted."""

import asyncio
import json
import time
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from math import log
from pathlib import PurePath
from typing import Annotated, Any, BinaryIO, Final, Literal, TypeAlias

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse

from asr.api import Commands
from asr.audio.load import open_audio
from asr.printable import printable
from asr.runtime.commander import Understanding
from asr.runtime.formats import content
from asr.runtime.keys import command_keys
from asr.runtime.transcript import Transcript, TranscriptSegment, join
from asr.serve.errors import ErrorBody, Refusal, error_response
from asr.serve.hearing import Waiting, answered
from asr.serve.pool import Engine
from asr.serve.service import Service, service_of
from asr.text.languages import find_language

router = APIRouter(prefix="/v1")

Heard: TypeAlias = tuple[Transcript, Understanding | None]
Granularity: TypeAlias = Literal["word", "segment"]

_PARAMETERS: Final = (
    *("language", "languages[]", "prompt", "temperature", "include[]", "chunking_strategy", "keywords[]"),
    *("known_speaker_names[]", "known_speaker_references[]"),
)
"""What OpenAI's models heed and this one does not; an answer names those that came in the header ``Asr-Ignored``."""
_OWNER: Final = "asr"
_LONGEST_NAME: Final = 100
_MEDIA: Final = {"text": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorBody} for status in (400, 401, 403, 404, 408, 413, 421, 429, 500, 503)
}


@router.get("/models", responses=_REFUSALS)
async def models(request: Request) -> dict[str, Any]:
    """The one model that hears."""
    return {"object": "list", "data": [_model(service_of(request))]}


@router.get("/models/{model:path}", responses=_REFUSALS)
async def model(request: Request, model: str) -> dict[str, Any]:
    """The model of this name."""
    found = _model(service_of(request))
    if model != found["id"]:
        raise Refusal(404, f"model: there is one, {found['id']}", "model_not_found", parameter="model")
    return found


def _model(service: Service) -> dict[str, Any]:
    return {"id": service.pool.model_name, "object": "model", "created": service.pool.loaded_at, "owned_by": _OWNER}


@router.post(
    "/audio/transcriptions",
    response_model=None,
    responses={
        200: {
            "description": "What is said: JSON, or text of the form asked for; with `stream` server-sent events.",
            "content": {media: {} for media in ("application/json", "text/event-stream", *_MEDIA.values())},
        },
        **_REFUSALS,
    },
)
async def transcriptions(
    request: Request,
    file: Annotated[UploadFile, File(description="A recording in any format that `asr transcribe` reads.")],
    model: Annotated[str, Form(description="Any name: there is one model.")] = "",
    response_format: Annotated[Literal["json", "text", "verbose_json", "srt", "vtt"], Form()] = "json",
    timestamp_granularities: Annotated[
        list[Granularity] | None,
        Form(
            alias="timestamp_granularities[]",
            description="What verbose_json has besides the text; segment if left out.",
        ),
    ] = None,
    granularities: Annotated[
        list[Granularity] | None,
        Form(alias="timestamp_granularities", description="The same, as it is often written."),
    ] = None,
    stream: Annotated[
        bool, Form(description="Answer with events, a piece of the text as soon as it is heard.")
    ] = False,
    commands: Annotated[
        str | None,
        Form(description="The name of a grammar: accept the recording as one of its commands, or reject it."),
    ] = None,
    language: Annotated[str | None, Form(description="Without effect: the model knows its language.")] = None,
    prompt: Annotated[str | None, Form(description="Without effect.")] = None,
    temperature: Annotated[float | None, Form(description="Without effect: nothing is drawn by chance.")] = None,
) -> Response:
    """What is said in a recording. Fields of OpenAI's API that have no effect are named in the header `Asr-Ignored`."""
    service = service_of(request)
    if stream and response_format not in ("json", "text"):
        raise Refusal(400, f"stream: wanted json or text, not {response_format}", "invalid_value", parameter="stream")
    grammar = service.pool.grammar(commands) if commands else None
    hearing = _Hearing(service, request, file, grammar)
    given = await request.form()
    ignored = [name for name in _PARAMETERS if name in given]
    if model and model != service.pool.model_name:
        ignored.insert(0, "model")
    headers = {"Asr-Ignored": ", ".join(ignored)} if ignored else {}
    if stream:
        return StreamingResponse(await hearing.events(), media_type="text/event-stream", headers=headers)
    heard = await hearing.whole()
    if response_format == "json":
        return JSONResponse(_keys(heard), headers=headers)
    if response_format == "verbose_json":
        wanted = [*(timestamp_granularities or ()), *(granularities or ())] or ["segment"]
        return JSONResponse(_verbose_keys(heard, wanted, service), headers=headers)
    text = f"{printable(heard[0].text)}\n" if response_format == "text" else content(response_format, heard[0])
    return Response(text, media_type=_MEDIA[response_format], headers=headers)


class _Hearing:
    """One recording, heard by a worker while somebody waits for it."""

    def __init__(self, service: Service, request: Request, file: UploadFile, commands: Commands | None) -> None:
        self._service, self._request, self._commands = service, request, commands
        self._file: BinaryIO = file.file
        self._name = printable(PurePath(file.filename or "").name[:_LONGEST_NAME]) or "the recording"

    async def whole(self) -> Heard:
        """What is in it, unless the client goes: then a worker stops at the next piece of it.

        Raises AudioError for a recording that cannot be used, Busy where too many wait, SettingsError and BundleError
        for commands that the model cannot hear.
        """
        return self._recorded(
            await answered(self._request, lambda engine, waiting: self._hear(engine, waiting, lambda _: None))
        )

    async def events(self) -> AsyncIterator[str]:
        """Server-sent events, a piece of the text each. Raises what ``whole`` does, before the first of them."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        waiting = Waiting()

        def tell(text: str) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, text)

        hearing = asyncio.ensure_future(self._service.pool.run(lambda engine: self._hear(engine, waiting, tell)))
        hearing.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            first = await pieces.get()
            if first is None:
                await hearing  # raises what was wrong, while another status can still be sent
        except BaseException:
            waiting.end()
            hearing.cancel()
            raise

        async def made() -> AsyncIterator[str]:
            try:
                piece = first
                while piece is not None:
                    yield _event({"type": "transcript.text.delta", "delta": piece})
                    piece = await pieces.get()
                yield _event({"type": "transcript.text.done", **_keys(self._recorded(await hearing))})
            except Exception as error:
                answer = error_response(500, str(error), "fault")
                yield f"data: {bytes(answer.body).decode()}\n\n"
                raise
            finally:
                waiting.end()
                hearing.cancel()

        return made()

    def _hear(self, engine: Engine, waiting: Waiting, tell: Callable[[str], None]) -> Heard:
        """On a worker's thread; ``tell`` takes the text piece by piece, which together are all of it."""
        begun = time.perf_counter()
        commander = engine.commander(self._commands)
        understanding = None
        with open_audio(self._file, name=self._name, most_seconds=self._service.settings.max_seconds) as sound:
            blocks = waiting.blocks(sound.blocks())
            if commander is not None:
                understanding = commander.understand_blocks(blocks)
                transcript = understanding.transcript
                if transcript.text:
                    tell(transcript.text)
            else:
                parts: list[Transcript] = []
                for part in engine.model.transcriber.transcribe_blocks(blocks):
                    if part.text:
                        tell(f" {part.text}" if any(each.text for each in parts) else part.text)
                    parts.append(part)
                transcript = replace(join(parts), seconds=sound.seconds)
        self._service.metrics.heard("http", transcript.seconds, time.perf_counter() - begun)
        return transcript, understanding

    def _recorded(self, heard: Heard) -> Heard:
        """The same, when the log knows of it."""
        record = self._request.state.record
        record["audio_seconds"] = round(heard[0].seconds, 3)
        if self._service.settings.log_transcripts:
            record["text"] = heard[0].text
        return heard


def _event(keys: dict[str, Any]) -> str:
    return f"data: {json.dumps(keys, allow_nan=False)}\n\n"


def _keys(heard: Heard) -> dict[str, Any]:
    """``text``, its ``confidence`` (0 to 1), what OpenAI's clients read of the ``usage``, and ``command_keys``."""
    transcript, understanding = heard
    return {
        "text": transcript.text,
        "confidence": round(transcript.confidence, 4),
        "usage": {"type": "duration", "seconds": round(transcript.seconds, 3)},
        **({} if understanding is None else command_keys(understanding)),
    }


def _verbose_keys(heard: Heard, wanted: list[Granularity], service: Service) -> dict[str, Any]:
    """The keys of OpenAI's verbose JSON; times are seconds from the beginning of the recording."""
    transcript = heard[0]
    keys: dict[str, Any] = {
        "task": "transcribe",
        "language": find_language(service.pool.bundle.normaliser.language).NAME.lower(),
        "duration": round(transcript.seconds, 3),
        **_keys(heard),
    }
    if "segment" in wanted:
        keys["segments"] = [_segment_keys(number, each) for number, each in enumerate(transcript.segments)]
    if "word" in wanted:
        keys["words"] = [
            {
                "word": each.text,
                "start": round(each.start, 3),
                "end": round(each.end, 3),
                "confidence": round(each.confidence, 4),
            }
            for each in transcript.words
        ]
    return keys


def _segment_keys(number: int, segment: TranscriptSegment) -> dict[str, Any]:
    """A segment by Whisper's keys: what has no counterpart here holds what means nothing (no tokens, temperature 0)."""
    text = segment.text.encode()
    return {
        "id": number,
        "seek": 0,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(log(max(segment.confidence, 1e-12)), 4),
        "compression_ratio": round(len(text) / len(zlib.compress(text)), 4),
        "no_speech_prob": 0.0,
        "confidence": round(segment.confidence, 4),
    }
