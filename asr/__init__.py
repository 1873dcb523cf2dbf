"""Offline speech recognition for your own voice commands: MFCC into a transformer, text out."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asr.adaptation.adapt import adapt
    from asr.adaptation.calibration import Calibration, calibrate
    from asr.adaptation.comparison import Row
    from asr.adaptation.steps import Adapted
    from asr.api import Commands, Model, Source, load, read_source
    from asr.commands.reading import Reading
    from asr.errors import AsrError, AudioError, BundleError, ManifestError, SettingsError, SourceError
    from asr.evaluation.command_scoring import CommandRates, CommandReport
    from asr.evaluation.comparison import Difference, RunComparison, compare, read_lists, read_run
    from asr.evaluation.evaluate import Evaluation, evaluate
    from asr.evaluation.intervals import BoundedRate, Rate
    from asr.evaluation.scoring import Report, Silence
    from asr.runtime.commander import Commander, Understanding
    from asr.runtime.explain.explanation import Explanation
    from asr.runtime.explain.stages import Branch, DecoderStep, Measure, Search, Stages
    from asr.runtime.live import Dropped, Event, Final, Partial, Started
    from asr.runtime.transcript import Transcript, TranscriptSegment, Word
    from asr.training.run import Trained, train

    __version__: str

__all__ = [
    "Adapted",
    "AsrError",
    "AudioError",
    "BoundedRate",
    "Branch",
    "BundleError",
    "Calibration",
    "CommandRates",
    "CommandReport",
    "Commander",
    "Commands",
    "DecoderStep",
    "Difference",
    "Dropped",
    "Evaluation",
    "Event",
    "Explanation",
    "Final",
    "ManifestError",
    "Measure",
    "Model",
    "Partial",
    "Rate",
    "Reading",
    "Report",
    "Row",
    "RunComparison",
    "Search",
    "SettingsError",
    "Silence",
    "Source",
    "SourceError",
    "Stages",
    "Started",
    "Trained",
    "Transcript",
    "TranscriptSegment",
    "Understanding",
    "Word",
    "__version__",
    "adapt",
    "calibrate",
    "compare",
    "evaluate",
    "load",
    "read_lists",
    "read_run",
    "read_source",
    "train",
]

_PLACES = {
    "adapt": "asr.adaptation.adapt",
    **dict.fromkeys(("Calibration", "calibrate"), "asr.adaptation.calibration"),
    "Row": "asr.adaptation.comparison",
    "Adapted": "asr.adaptation.steps",
    **dict.fromkeys(("Commands", "Model", "Source", "load", "read_source"), "asr.api"),
    "Reading": "asr.commands.reading",
    **dict.fromkeys(
        ("AsrError", "AudioError", "BundleError", "ManifestError", "SettingsError", "SourceError"), "asr.errors"
    ),
    **dict.fromkeys(("CommandRates", "CommandReport"), "asr.evaluation.command_scoring"),
    **dict.fromkeys(("Difference", "RunComparison", "compare", "read_lists", "read_run"), "asr.evaluation.comparison"),
    **dict.fromkeys(("Evaluation", "evaluate"), "asr.evaluation.evaluate"),
    **dict.fromkeys(("BoundedRate", "Rate"), "asr.evaluation.intervals"),
    **dict.fromkeys(("Report", "Silence"), "asr.evaluation.scoring"),
    **dict.fromkeys(("Commander", "Understanding"), "asr.runtime.commander"),
    "Explanation": "asr.runtime.explain.explanation",
    **dict.fromkeys(("Branch", "DecoderStep", "Measure", "Search", "Stages"), "asr.runtime.explain.stages"),
    **dict.fromkeys(("Dropped", "Event", "Final", "Partial", "Started"), "asr.runtime.live"),
    **dict.fromkeys(("Transcript", "TranscriptSegment", "Word"), "asr.runtime.transcript"),
    **dict.fromkeys(("Trained", "train"), "asr.training.run"),
}

# onnxruntime from 1.32 on reports to its maker, and leaves an id in the home folder, unless this stands in the
# environment before it is first imported, by whomever: so it is set here, before any part of asr. Whoever sets it
# otherwise has decided.
if not os.environ.get("ORT_DISABLE_TELEMETRY"):
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def __getattr__(name: str) -> Any:
    """The public names, each imported when it is first asked for (PEP 562), so that ``import asr`` is light."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("asr")
        except PackageNotFoundError:  # a checkout that is not installed
            return "0+unknown"
    if name not in _PLACES:
        raise AttributeError(f"module 'asr' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
