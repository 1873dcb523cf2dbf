"""The pages that `asr evaluate` and `asr compare` make of what they found: HTML files that need nothing else."""
