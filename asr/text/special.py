"""The four tokens that stand for no text; their ids are the same in every tokenizer of this project."""

PAD, UNK, BOS, EOS = 0, 1, 2, 3
"""Padding (and the CTC blank), unknown, beginning and end."""

SPECIAL = (PAD, UNK, BOS, EOS)
