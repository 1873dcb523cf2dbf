"""Offline speech recognition for your own voice commands: MFCC into a transformer, text out."""

import os

# onnxruntime from 1.32 on reports to its maker, and leaves an id in the home folder, unless this stands in the
# environment before it is first imported, by whomever: so it is set here, before any part of asr. Whoever sets it
# otherwise has decided.
if not os.environ.get("ORT_DISABLE_TELEMETRY"):
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
