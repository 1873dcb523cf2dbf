"""Errors that a person can mend.

Every message is one line and names what was at fault, what was found, what was wanted and what to do; that of a
``SourceError`` goes on with the line of the file that was at fault and a caret under the place.
The command line prints it without a traceback and ends with exit status 1; ``--debug`` shows the traceback.
"""


class AsrError(Exception):
    """Something given to the program cannot be used; the message says what, and what to do."""


class AudioError(AsrError):
    """A recording cannot be read, or holds nothing that can be used."""


class BundleError(AsrError):
    """A bundle is incomplete, altered, or of a format that this version does not know."""


class ManifestError(AsrError):
    """A list of recordings and transcripts is malformed or contradicts itself."""


class SettingsError(AsrError):
    """A setting has a value, or a combination of values, that makes no sense."""


class SourceError(SettingsError):
    """A place in a file that a person wrote is at fault; the line and a caret under it follow the message."""
