"""Text of files that strangers wrote, as it may go to a terminal."""


def printable(text: str) -> str:
    """The text on one line, with whatever is no visible character or blank escaped.

    Control characters, line breaks, marks that turn the direction of writing, and undecodable bytes: they could move
    the cursor, colour what follows, or forge a line of the program's own.
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
