"""A person's own commands: a grammar in, and what a sentence means by it out."""
