"""The bundle: a folder that is the whole model, read by the runtime and written by the export.

``bundle.json`` names every file with its size and SHA-256, and holds all settings; nothing about a model is guessed
from a name or a default. Nothing in a bundle is ever executed: weights are safetensors, graphs ONNX, settings JSON.
"""

import errno
import hashlib
import json
import os
import shutil
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from asr.audio.features import FeatureSettings
from asr.errors import BundleError, SettingsError
from asr.files import STAGED, folder_for, locked, replace_folder, write_whole
from asr.hub import fetch, is_on_hub
from asr.model.settings import ModelSettings
from asr.search.language_model import LanguageModel, language_model_bytes, read_language_model
from asr.settings import check_number, settings_from, shown
from asr.text.normaliser import Normaliser
from asr.text.tokenizer import Tokenizer

FORMAT = "asr-bundle"
VERSION = 1
SETTINGS = "bundle.json"
WEIGHTS = "weights.safetensors"
ENCODER = "encoder.onnx"
DECODER = "decoder.onnx"
TOKENIZER = "tokenizer.model"
FILES = (WEIGHTS, ENCODER, DECODER, TOKENIZER)
LANGUAGE_MODEL = "language_model.safetensors"
"""A bundle may have one, or not."""
DEFAULT_BUNDLE = Path(__file__).parent / "bundles" / "default"
"""The bundle in the package; its folder's name stands for it wherever a bundle is named, but for a folder so called."""
STAMP = "tokenizer.sha256"
"""Under this name weights and graphs say which tokenizer's tokens they speak of; those of older exports do not."""

WIDEST = 1_000
"""Hypotheses that a beam may hold: a hundred times what is of use, and still no danger to the memory."""
RUNNER_UP = 2
"""A search for commands keeps at least so many hypotheses: by how much one leads is part of how sure it is."""

_MOST_BYTES = 64 << 20  # of settings, or of the header of weights


@dataclass(frozen=True)
class DecodingSettings:
    """How the bundle's model is best asked; chosen on a dev set.

    ``margin_seconds`` of silence are set before and after each utterance. Features are normalised over the utterance,
    and one that is cut close has another mean than all that the model was trained on: of 100 digits cut close, 86 were
    right with a margin of 0.25 s and 59 without.

    A search among the sentences of a grammar has settings of its own: paths of a grammar part late, so it wants a wider
    beam, and CTC, which has no habits of speech, tells them apart better than the decoder (LOG.md has the table).
    """

    width: int = 4
    ctc_weight: float = 0.3
    length_penalty: float = 0.6
    margin_seconds: float = 0.25
    command_width: int = 8
    command_ctc_weight: float = 0.55
    language_model_weight: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no search can do."""
        check_number("decoding", "width", self.width, 1, WIDEST, whole=True)
        check_number("decoding", "command_width", self.command_width, RUNNER_UP, WIDEST, whole=True)
        check_number("decoding", "length_penalty", self.length_penalty, 0, 10)
        check_number("decoding", "margin_seconds", self.margin_seconds, 0, 5)
        check_number("decoding", "language_model_weight", self.language_model_weight, 0, 10)
        for name in ("ctc_weight", "command_ctc_weight"):
            check_number("decoding", name, getattr(self, name), 0, 1)
            if getattr(self, name) == 1:
                raise SettingsError(f"decoding: {name} is 1; it must be below 1, or the decoder has no say")

    def of_search(self, *, among_commands: bool = False) -> dict[str, Any]:
        """Those that are arguments of ``asr.search.beam.beam``, for any speech or for the sentences of a grammar."""
        width = self.command_width if among_commands else self.width
        weight = self.command_ctc_weight if among_commands else self.ctc_weight
        return {"width": width, "ctc_weight": weight, "length_penalty": self.length_penalty}


@dataclass(frozen=True)
class Bundle:
    """A bundle's settings, checked, and where its files are.

    ``rejection`` is what `asr.commands.rejection` keeps of its calibration; None where there was none. So it is with
    the ``language_model``.
    """

    folder: Path
    features: FeatureSettings
    model: Mapping[str, Any]
    normaliser: Normaliser
    tokenizer: Tokenizer
    decoding: DecodingSettings
    provenance: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    rejection: Mapping[str, Any] | None = None
    language_model: LanguageModel | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its files, other than the settings."""
        return FILES if self.language_model is None else (*FILES, LANGUAGE_MODEL)


def read_bundle(folder: str | os.PathLike[str]) -> Bundle:
    """Read and check a bundle: in a folder, on the Hugging Face Hub (``hf:owner/name[@revision]``), or ``default``.

    Raises BundleError for a folder that is no bundle, a file that is missing or was altered, settings, weights and a
    tokenizer that do not fit each other, a format that is newer than this version, or a Hub that does not answer.
    """
    if not isinstance(folder, str | os.PathLike):
        raise BundleError(f"found {shown(folder)}, wanted a bundle: its folder, hf:owner/name, or `default`")
    if is_default(folder):
        folder = DEFAULT_BUNDLE
    folder = fetch(folder, (SETTINGS, *FILES, LANGUAGE_MODEL)) if is_on_hub(folder) else Path(folder)
    settings = _read_settings(folder)
    while True:
        try:
            return _checked(folder, settings)
        except BundleError:
            again = _read_settings(folder)
            if again == settings:
                # Replaced file by file, and cut short in the middle of it: then the whole new bundle lies inside.
                for staged in folder.glob(f"{STAGED}*"):
                    with suppress(BundleError):
                        return _checked(staged, _read_settings(staged))
                raise
            settings = again  # replaced while it was read


def is_default(name: str | os.PathLike[str]) -> bool:
    """Whether this is the name of the bundle in the package, and no folder here is called so."""
    return os.fspath(name) == DEFAULT_BUNDLE.name and not os.path.lexists(name)


def _checked(folder: Path, settings: Mapping[str, Any]) -> Bundle:
    path = folder / SETTINGS
    if settings.get("format") != FORMAT:
        raise BundleError(f"{path}: found the format {shown(settings.get('format'))}, wanted {FORMAT!r}")
    version = settings.get("version")
    if version != VERSION or type(version) is not int:
        raise BundleError(
            f"{folder}: found bundle format version {shown(version)}, this version of asr reads {VERSION}; "
            "update asr, or export the model again"
        )
    listed = _part(path, settings, "files")
    for name in (*FILES, *listed.keys() & {LANGUAGE_MODEL}):
        if name not in listed:
            raise BundleError(f"{path}: files: lists no {name}; export the model again")
        if not isinstance(listed[name], dict):
            raise BundleError(f"{path}: files: {name}: found {shown(listed[name])}, wanted its bytes and sha256")
        _check_file(folder / name, listed[name])
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    try:
        model = ModelSettings.from_dict(_part(path, settings, "model"))
        bundle = Bundle(
            folder=folder,
            features=FeatureSettings.from_dict(_part(path, settings, "features")),
            model=model.to_dict(),
            normaliser=settings_from(Normaliser, "normaliser", _part(path, settings, "normaliser")),
            tokenizer=tokenizer,
            decoding=settings_from(DecodingSettings, "decoding", _part(path, settings, "decoding")),
            provenance=_part(path, settings, "provenance"),
            scores=_part(path, settings, "scores"),
            rejection=None if settings.get("rejection") is None else _part(path, settings, "rejection"),
            language_model=_language_model(folder / LANGUAGE_MODEL, tokenizer) if LANGUAGE_MODEL in listed else None,
        )
    except SettingsError as error:
        raise BundleError(f"{path}: {error}; update asr, or export the model again") from error
    if bundle.decoding.language_model_weight > 0 and bundle.language_model is None:
        raise BundleError(
            f"{path}: decoding: language_model_weight is {bundle.decoding.language_model_weight}, but files: lists no "
            f"{LANGUAGE_MODEL}; export the model again"
        )
    _check_weights(bundle, model)
    return bundle


def _language_model(path: Path, tokenizer: Tokenizer) -> LanguageModel:
    """Raises BundleError for what is none, or is another tokenizer's."""
    model, told = read_language_model(path, tokenizer.vocabulary)
    check_stamp(path, told.get(STAMP), tokenizer)
    return model


def add_language_model(bundle: Bundle, model: LanguageModel, weight: float) -> None:
    """Put a language model into a bundle, in place of one that it has; ``weight`` is its share in the search's scores.

    Raises SettingsError for a weight that no search has, and otherwise as ``write_bundle``.
    """
    decoding = replace(bundle.decoding, language_model_weight=weight)
    try:
        with folder_for(bundle.folder) as made:
            for name in FILES:
                shutil.copyfile(bundle.folder / name, made / name)
            write_language_model(model, made, bundle.tokenizer)
            made.chmod(0o755)
            write_bundle(replace(bundle, decoding=decoding, language_model=model), made)
    except OSError as error:
        raise BundleError(cannot_write(bundle.folder, error)) from error


def write_language_model(model: LanguageModel, made: Path, tokenizer: Tokenizer) -> None:
    """Write a model of the tokenizer's tokens into a folder that is to become a bundle; raises OSError."""
    (made / LANGUAGE_MODEL).write_bytes(language_model_bytes(model, {STAMP: tokenizer.digest}))


def check_stamp(path: Path, stamp: object, tokenizer: Tokenizer) -> None:
    """Raises BundleError where the file at ``path`` was made with another tokenizer; None says nothing of that."""
    if stamp is not None and stamp != tokenizer.digest:
        raise BundleError(
            f"{path}: was made with the tokenizer {shown(stamp)[:13]}…', found {TOKENIZER} with the SHA-256 "
            f"'{tokenizer.digest[:12]}…'; copy the whole bundle again"
        )


def write_bundle(bundle: Bundle, made: Path) -> None:
    """Turn the folder ``made``, which holds the bundle's files, into the bundle at ``bundle.folder``.

    The settings are written last, and the folder takes its name only when it is whole. A bundle that is already there
    is replaced, and whatever else lies in its folder, as the model card, stays; at each moment, and whatever fails,
    there is the old bundle or the new. Any other folder is not touched. ``made`` is gone then. Raises BundleError.
    """
    target = bundle.folder
    if os.path.lexists(target) and not (target / SETTINGS).is_file():
        raise BundleError(f"{target}: exists and is no bundle, so it is left alone; name another folder")
    settings = {
        "format": FORMAT,
        "version": VERSION,
        "files": {name: _describe(made / name) for name in bundle.files},
        "features": bundle.features.to_dict(),
        "model": dict(bundle.model),
        "normaliser": bundle.normaliser.to_dict(),
        "decoding": asdict(bundle.decoding),
        "provenance": dict(bundle.provenance),
        "scores": dict(bundle.scores),
    }
    if bundle.rejection is not None:
        settings["rejection"] = dict(bundle.rejection)
    try:
        write_whole(made / SETTINGS, _json(settings))
        replace_folder(made, target.resolve(), SETTINGS)
    except OSError as error:
        raise BundleError(cannot_write(target, error)) from error


def cannot_write(folder: Path, error: OSError) -> str:
    """One line about a bundle that cannot be written."""
    mend = {
        errno.ENOSPC: "make room",
        errno.EDQUOT: "make room",
        errno.EACCES: "check its permissions, and those of the folder that holds it",
        errno.EPERM: "check its permissions, and those of the folder that holds it",
    }.get(error.errno or 0, "name another folder")
    return f"{folder}: the bundle cannot be written ({error.strerror or error}); {mend}"


def record_score(folder: Path, name: str, score: Mapping[str, Any]) -> None:
    """Note in a bundle how good it was found to be on the data called ``name``, in place of an earlier note.

    Raises BundleError for a folder that is no bundle or cannot be written to.
    """
    _change_settings(folder, lambda settings: {"scores": {**_part(folder / SETTINGS, settings, "scores"), name: score}})


def record_rejection(folder: Path, rejection: Mapping[str, Any]) -> None:
    """Keep in a bundle when it refuses a command, in place of what it kept before; raises as ``record_score``."""
    _change_settings(folder, lambda _: {"rejection": dict(rejection)})


def _change_settings(folder: Path, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
    """Set some settings to what ``change`` makes of all; of two at once, one waits for the other."""
    _read_settings(folder)  # says what is wrong with a folder that is none
    try:
        with locked(folder):
            settings = _read_settings(folder)
            write_whole(folder / SETTINGS, _json({**settings, **change(settings)}))
    except OSError as error:
        raise BundleError(
            f"{folder / SETTINGS}: cannot be written ({error.strerror}); copy the bundle first"
        ) from error


def _json(settings: Mapping[str, Any]) -> bytes:
    # Half a surrogate pair, which JSON may hold and UTF-8 not, is escaped.
    text = json.dumps(settings, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode(errors="backslashreplace")


def _read_settings(folder: Path) -> dict[str, Any]:
    path = folder / SETTINGS
    try:
        if not path.is_file():
            found = "no such folder" if not folder.exists() else f"no {SETTINGS}" if folder.is_dir() else "not a folder"
            raise BundleError(f"{folder}: found {found}, wanted a bundle as `asr export` writes it")
        settings = _parsed(path, path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b"")
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); copy the whole bundle again") from error
    except ValueError as error:  # a NUL in the name
        raise BundleError(f"{shown(str(path))}: cannot be read ({error}); name the folder of a bundle") from error
    return settings


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    """The settings in a JSON text; all numbers among them are finite."""
    try:
        settings = json.loads(content)
        wrong = next(_endless(settings), None)
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise BundleError(f"{path}: cannot be read ({reason}); export the model again") from error
    if wrong is not None:
        raise BundleError(f"{path}: {wrong}, wanted a number that can be computed with; export the model again")
    if not isinstance(settings, dict):
        raise BundleError(f"{path}: found {shown(settings)}, wanted settings by name; export the model again")
    return settings


def _endless(value: object, place: str = "") -> Iterator[str]:
    """Numbers beyond all measure among JSON values, and where they stand."""
    if isinstance(value, int | float) and not abs(value) < sys.float_info.max:
        yield f"{place}found {shown(value)}"
    named = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in named:
        yield from _endless(each, f"{place}{str(name)[:40].encode('unicode_escape').decode()}: ")


def _part(path: Path, settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The settings under a name. Raises BundleError where there are none."""
    if name not in settings:
        raise BundleError(f"{path}: found no {name!r} among the settings; export the model again")
    part = settings[name]
    if not isinstance(part, dict):
        raise BundleError(f"{path}: {name}: found {shown(part)}, wanted settings by name; export the model again")
    return part


def _check_file(path: Path, listed: Mapping[str, Any]) -> None:
    if path.is_symlink():  # onnxruntime would look for the weights where it leads
        raise BundleError(f"{path}: found a link, wanted the file itself; copy the whole bundle, following links")
    if not path.is_file():
        raise BundleError(f"{path}: the file is missing; copy the whole bundle again")
    try:
        found = _describe(path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if found != listed:
        raise BundleError(
            f"{path}: found {found['bytes']} bytes with SHA-256 {found['sha256'][:12]}…, wanted "
            f"{shown(listed.get('bytes'))} bytes with {shown(listed.get('sha256')).strip(chr(39))[:12]}…; "
            "copy the whole bundle again"
        )


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _check_weights(bundle: Bundle, model: ModelSettings) -> None:
    """Raises BundleError where the weights have other widths than settings and tokenizer say."""
    path = bundle.folder / WEIGHTS
    with path.open("rb") as file:
        start = file.read(8)
        size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        header = _parsed(path, file.read(size) if size <= _MOST_BYTES else b"")
    found = {name: each.get("shape") for name, each in header.items() if isinstance(each, dict)}
    width, kernel = model.d_model, model.convolution_kernel
    layers = {"encoder": model.encoder_layers, "decoder": model.decoder_layers}
    wanted: dict[str, list[int] | None] = {
        "encoder.projection.weight": [width, model.stack * bundle.features.dimension],
        "ctc.weight": [bundle.tokenizer.vocabulary, width],
        "decoder.embedding.weight": [bundle.tokenizer.vocabulary, width],
        "decoder.output.weight": [bundle.tokenizer.vocabulary, width],
    }
    for part, count in layers.items():
        wanted[f"{part}.layers.0.feedforward.0.weight"] = [model.feedforward, width]
        wanted[f"{part}.layers.{count - 1}.feedforward.0.weight"] = [model.feedforward, width]
        wanted[f"{part}.layers.{count}.feedforward.0.weight"] = None
    wanted["encoder.layers.0.convolution.depthwise.weight"] = [width, 1, kernel] if kernel else None
    for name, shape in wanted.items():
        if found.get(name) != shape:
            raise BundleError(
                f"{path}: found {name} of the shape {shown(found.get(name))}, wanted {shape} by the tokenizer and the "
                f"settings in {SETTINGS}; copy the whole bundle again"
            )
    told = header.get("__metadata__")
    check_stamp(path, told.get(STAMP) if isinstance(told, dict) else None, bundle.tokenizer)
