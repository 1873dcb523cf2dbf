"""Scores of transcripts against what was really said (jiwer and matplotlib are imported where they are used)."""
