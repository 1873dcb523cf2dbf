"""The page that `asr evaluate` makes of what it found: one HTML file that needs nothing else."""
