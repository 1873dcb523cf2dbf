"""Offline speech recognition for your own voice commands: MFCC into a transformer, text out."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asr.adaptation.adapt import adapt
    from asr.adaptation.steps import Adapted
    from asr.api import Commands, Model, load, read_source
    from asr.errors import AsrError
    from asr.evaluation.evaluate import Evaluation, evaluate
    from asr.runtime.commander import Understanding
    from asr.runtime.explain.explanation import Explanation
    from asr.runtime.live import Dropped, Final, Partial, Started
    from asr.runtime.transcript import Transcript, TranscriptSegment, Word
    from asr.training.run import Trained, train

    __version__: str

__all__ = [
    "Adapted",
    "AsrError",
    "Commands",
    "Dropped",
    "Evaluation",
    "Explanation",
    "Final",
    "Model",
    "Partial",
    "Started",
    "Trained",
    "Transcript",
    "TranscriptSegment",
    "Understanding",
    "Word",
    "__version__",
    "adapt",
    "evaluate",
    "load",
    "read_source",
    "train",
]

_PLACES = {
    **dict.fromkeys(("Commands", "Model", "load", "read_source"), "asr.api"),
    "adapt": "asr.adaptation.adapt",
    "Adapted": "asr.adaptation.steps",
    "AsrError": "asr.errors",
    **dict.fromkeys(("Evaluation", "evaluate"), "asr.evaluation.evaluate"),
    "Understanding": "asr.runtime.commander",
    "Explanation": "asr.runtime.explain.explanation",
    **dict.fromkeys(("Dropped", "Final", "Partial", "Started"), "asr.runtime.live"),
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
