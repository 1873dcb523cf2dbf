"""The bundle: a folder that is the whole model, read by the runtime and written by the export.

``bundle.json`` names every file with its size and SHA-256, and holds all settings; nothing about a model is guessed
from a name or a default. Nothing in a bundle is ever executed: weights are safetensors, graphs ONNX, settings JSON.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asr.audio.features import FeatureSettings
from asr.errors import BundleError, SettingsError
from asr.files import write_whole
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
DEFAULT_BUNDLE = Path(__file__).parent / "bundles" / "default"


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

    def __post_init__(self) -> None:
        """Refuse what no search can do."""
        widths, weights = (self.width, self.command_width), (self.ctc_weight, self.command_ctc_weight)
        if min(widths) < 1 or not all(0 <= weight < 1 for weight in weights) or not 0 <= self.length_penalty < math.inf:
            raise SettingsError(
                f"decoding: found {self}; wanted widths from 1, CTC weights from 0 to below 1, length_penalty from 0"
            )
        if not 0 <= self.margin_seconds <= 5:
            raise SettingsError(f"decoding: margin_seconds is {self.margin_seconds}; wanted 0 to 5")

    def of_search(self, *, among_commands: bool = False) -> dict[str, Any]:
        """Those that are arguments of ``asr.search.beam.beam``, for any speech or for the sentences of a grammar."""
        width = self.command_width if among_commands else self.width
        weight = self.command_ctc_weight if among_commands else self.ctc_weight
        return {"width": width, "ctc_weight": weight, "length_penalty": self.length_penalty}


@dataclass(frozen=True)
class Bundle:
    """A bundle's settings, checked, and where its files are.

    ``rejection`` is what `asr.commands.rejection` keeps of its calibration; None where there was none.
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


def read_bundle(folder: Path) -> Bundle:
    """Read and check a bundle.

    Raises BundleError for a folder that is no bundle, a file that is missing or was altered, or a format that is newer
    than this version.
    """
    settings = _read_settings(folder)
    if settings.get("format") != FORMAT:
        raise BundleError(f"{folder / SETTINGS}: found the format {settings.get('format')!r}, wanted {FORMAT!r}")
    if settings.get("version") != VERSION:
        raise BundleError(
            f"{folder}: found bundle format version {settings.get('version')!r}, this version of asr reads {VERSION}; "
            "update asr, or export the model again"
        )
    listed = settings.get("files", {})
    for name in FILES:
        if name not in listed:
            raise BundleError(f"{folder / SETTINGS}: lists no {name}; export the model again")
        _check_file(folder / name, listed[name])
    try:
        return Bundle(
            folder=folder,
            features=FeatureSettings.from_dict(settings["features"]),
            model=settings["model"],
            normaliser=Normaliser.from_dict(settings["normaliser"]),
            tokenizer=Tokenizer.load(folder / TOKENIZER),
            decoding=DecodingSettings(**settings["decoding"]),
            provenance=settings["provenance"],
            scores=settings["scores"],
            rejection=settings.get("rejection"),
        )
    except (KeyError, TypeError, SettingsError) as error:
        raise BundleError(f"{folder / SETTINGS}: the settings do not fit this version of asr ({error})") from error


def write_bundle(bundle: Bundle, made: Path) -> None:
    """Turn the folder ``made``, which holds the bundle's files, into the bundle at ``bundle.folder``.

    The settings are written last, and the folder takes its name only when it is whole. A bundle that is already there
    is replaced; any other folder is not touched. Raises BundleError.
    """
    target = bundle.folder
    if target.exists() and not (target / SETTINGS).is_file():
        raise BundleError(f"{target}: exists and is no bundle, so it is left alone; name another folder")
    settings = {
        "format": FORMAT,
        "version": VERSION,
        "files": {name: _describe(made / name) for name in FILES},
        "features": bundle.features.to_dict(),
        "model": dict(bundle.model),
        "normaliser": bundle.normaliser.to_dict(),
        "decoding": asdict(bundle.decoding),
        "provenance": dict(bundle.provenance),
        "scores": dict(bundle.scores),
    }
    if bundle.rejection is not None:
        settings["rejection"] = dict(bundle.rejection)
    (made / SETTINGS).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    replaced = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.exists():
        for kept in target.iterdir():  # the model card and its pictures, written by people
            if kept.name not in (*FILES, SETTINGS) and not (made / kept.name).exists():
                shutil.move(kept, made / kept.name)
        target.rename(replaced)
    target.parent.mkdir(parents=True, exist_ok=True)
    made.rename(target)
    shutil.rmtree(replaced, ignore_errors=True)


def record_score(folder: Path, name: str, score: Mapping[str, Any]) -> None:
    """Note in a bundle how good it was found to be on the data called ``name``, in place of an earlier note.

    Raises BundleError for a folder that is no bundle or cannot be written to.
    """
    settings = _read_settings(folder)
    settings["scores"] = {**settings.get("scores", {}), name: dict(score)}
    _replace_settings(folder, settings)


def record_rejection(folder: Path, rejection: Mapping[str, Any]) -> None:
    """Keep in a bundle when it refuses a command, in place of what it kept before; raises as ``record_score``."""
    _replace_settings(folder, {**_read_settings(folder), "rejection": dict(rejection)})


def _replace_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    try:
        write_whole(folder / SETTINGS, f"{json.dumps(settings, indent=2, ensure_ascii=False)}\n".encode())
    except OSError as error:
        raise BundleError(
            f"{folder / SETTINGS}: cannot be written ({error.strerror}); copy the bundle first"
        ) from error


def _read_settings(folder: Path) -> dict[str, Any]:
    path = folder / SETTINGS
    if not path.is_file():
        found = "no such folder" if not folder.exists() else "not a folder" if not folder.is_dir() else f"no {SETTINGS}"
        raise BundleError(f"{folder}: found {found}, wanted a bundle as `asr export` writes it")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read ({error}); export the model again") from error
    if not isinstance(settings, dict):
        raise BundleError(f"{path}: found a {type(settings).__name__}, wanted settings by name; export the model again")
    return settings


def _check_file(path: Path, listed: Mapping[str, Any]) -> None:
    if not path.is_file():
        raise BundleError(f"{path}: the file is missing; copy the whole bundle again")
    found = _describe(path)
    if found != listed:
        raise BundleError(
            f"{path}: found {found['bytes']} bytes with SHA-256 {found['sha256'][:12]}…, wanted "
            f"{listed.get('bytes')} bytes with {str(listed.get('sha256'))[:12]}…; copy the whole bundle again"
        )


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
