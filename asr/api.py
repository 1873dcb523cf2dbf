"""The package for who builds on it: a model, recordings in, what was said or meant out.

What is here is had by ``import asr``, which loads it when it is first asked for. Everything is by way of the classes
that the command line uses, and raises the same errors, each an ``asr.AsrError`` of one line.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from threading import Lock
from typing import Any, BinaryIO, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import MAX_SECONDS, SAMPLE_RATE, load_audio, open_audio
from asr.audio.mixing import to_mono
from asr.commands.grammar.form import read_grammars
from asr.commands.grammar.grammar import Grammar
from asr.commands.grammar.ready import find_grammar
from asr.commands.network.network import compile_network
from asr.errors import AudioError, SettingsError
from asr.runtime.commander import Commander, Understanding
from asr.runtime.explain.explanation import Explanation, explain
from asr.runtime.live import Event, LiveSession
from asr.runtime.transcriber import Transcriber
from asr.runtime.transcript import Transcript, join

Source: TypeAlias = str | os.PathLike[str] | BinaryIO | tuple[NDArray[Any], int]
"""A recording: a path, a file opened with mode "rb", or a wave and its rate.

The wave is (N,) or (N, channels), floats in [-1, 1] or integers of 16 bits, as soundfile reads them; the rate in Hz.
"""


class Commands:
    """Grammars of commands, read and checked; may be shared by threads and by models.

    Examples:
        >>> import asr
        >>> asr.Commands.load("computer").names
        ('computer',)
    """

    def __init__(self, grammars: tuple[Grammar, ...]) -> None:
        self.grammars = grammars

    @classmethod
    def load(cls, *names_or_paths: str | os.PathLike[str]) -> "Commands":
        """Read grammars by the names of ready ones, or by the paths of files and folders.

        Raises SettingsError for one that is not there or has mistakes, and where none is named.
        """
        if not names_or_paths:
            raise SettingsError(
                "Commands.load: found no grammar, wanted names or paths; as in Commands.load('computer')"
            )
        return cls(read_grammars([find_grammar(os.fspath(name)) for name in names_or_paths]))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the grammars, in their order."""
        return tuple(grammar.name for grammar in self.grammars)


class Model:
    """A loaded model. May be shared by threads: nothing in it changes with what it hears.

    Examples:
        >>> import asr
        >>> model = asr.load()
        >>> model.transcribe("recipes/commands/samples/find_my_files.flac").text
        'find my files'
    """

    def __init__(self, transcriber: Transcriber) -> None:
        self.transcriber = transcriber
        self._commanders: WeakKeyDictionary[Commands, Commander] = WeakKeyDictionary()
        self._lock = Lock()

    def transcribe(self, source: Source) -> Transcript:
        """What is said in a recording, with when and how surely each word is.

        Examples:
            >>> import asr
            >>> heard = asr.load().transcribe("recipes/commands/samples/find_my_files.flac")
            >>> [word.text for word in heard.words if 0 <= word.start < word.end <= heard.seconds]
            ['find', 'my', 'files']

        Raises AudioError for a recording that cannot be used.
        """
        if isinstance(source, tuple):
            return self.transcriber.transcribe(read_source(source))
        with open_audio(source, name=_name(source)) as sound:
            return replace(join(list(self.transcriber.transcribe_blocks(sound.blocks()))), seconds=sound.seconds)

    def utterances(self, source: Source) -> Iterator[Transcript]:
        """The same, a transcript an utterance as soon as it is heard: for recordings of hours.

        Times count from the recording's beginning, and ``seconds`` is the length of the utterance. No more than some
        minutes of a file's sound are held, however long it is.

        >>> import asr
        >>> for heard in asr.load().utterances("recipes/commands/samples/find_my_files.flac"):
        ...     print(heard.text)
        find my files

        Raises AudioError for a recording that cannot be used, before anything is given.
        """
        if isinstance(source, tuple):
            yield from self.transcriber.transcribe_blocks([read_source(source)])
            return
        with open_audio(source, name=_name(source)) as sound:
            yield from self.transcriber.transcribe_blocks(sound.blocks())

    def understand(self, source: Source, commands: Commands) -> Understanding:
        """The command in a recording, all of which is one utterance, or that there is none among the commands.

        More than 20 s of speech are never a command; of a long file no more than some minutes of sound are held.

        What is made of commands for this model is kept as long as they are, so that only the first time takes long.

        Examples:
            >>> import asr
            >>> computer = asr.Commands.load("computer")
            >>> found = asr.load().understand("recipes/commands/samples/find_my_files.flac", computer)
            >>> found.reading.command, found.reading.slots["what"]
            ('find', 'files')

        Raises AudioError as ``transcribe``, BundleError for a model that was never calibrated, and SettingsError for
        commands whose words it cannot spell.
        """
        commander = self.commander(commands)
        if isinstance(source, tuple):
            return commander.understand(read_source(source))
        with open_audio(source, name=_name(source)) as sound:
            return commander.understand_blocks(sound.blocks())

    def explain(self, source: Source, commands: Commands | None = None) -> Explanation:
        """How a recording is heard, from its sound to the text, and to the command or why it is refused.

        In a notebook it shows itself as a page with pictures and players; ``html()`` gives that page, which needs
        nothing else.

        Examples:
            >>> import asr
            >>> told = asr.load().explain("recipes/commands/samples/five_five.flac", asr.Commands.load("digits"))
            >>> told.transcript.text, [step.token for step in told.stages.decoder]
            ('five five', ['_five', '_five', 'end'])

        Raises AudioError as ``understand`` and for more than 20 s of speech, and for commands as ``understand``.
        """
        named = "the recording" if isinstance(source, tuple) else _name(source)
        wave = read_source(source)
        if commands is None:
            return explain(self.transcriber, wave, named)
        return explain(self.transcriber, wave, named, self.commander(commands), commands.names)

    def stream(
        self, blocks: Iterable[NDArray[np.float32]], commands: Commands | None = None, *, partials: bool = False
    ) -> Iterator[Event]:
        """What is said in a stream, as it is said.

        Of each utterance come ``Started`` and, as soon as the pause after it is long enough, ``Final`` with its
        transcript, and with commands its understanding; or ``Dropped`` where there were no words in it. ``partials``
        come between, about twice a second: the text so far, the beginning of which, ``stable``, stays as it is. Times
        count from the beginning of the stream, and the transcript's ``seconds`` is the length of the utterance.

        Examples:
            >>> import asr
            >>> wave = asr.read_source("recipes/commands/samples/find_my_files.flac")
            >>> blocks = [wave[at : at + 1600] for at in range(0, len(wave), 1600)]
            >>> model = asr.load()
            >>> for event in model.stream(blocks, asr.Commands.load("computer")):
            ...     if isinstance(event, asr.Final):
            ...         print(event.transcript.text, event.understanding.reading.command)
            find my files find

        Args:
            blocks: the sound, samples (n,) of float32 in [-1, 1] at 16 kHz, of any n.
            commands: what to understand, and refuse the rest; without, everything is transcribed.
            partials: whether to give the text so far while somebody speaks.

        Raises AudioError for other blocks, and as ``understand`` for the commands.
        """
        session = LiveSession(self.transcriber, None if commands is None else self.commander(commands))
        for block in blocks:
            yield from session.feed(block, partials=partials)
        yield from session.flush()

    def commander(self, commands: Commands) -> Commander:
        """What understands these commands by this model, made at the first call; raises as ``understand``."""
        with self._lock:
            if commands not in self._commanders:
                network = compile_network(commands.grammars, self.transcriber.bundle.normaliser)
                self._commanders[commands] = Commander(self.transcriber, network)
            return self._commanders[commands]


def load(bundle: str | os.PathLike[str] | None = None, *, width: int | None = None, threads: int = 1) -> Model:
    """Load the bundle in a folder, or the one that comes with the package.

    By ``hf:owner/name`` or ``hf:owner/name@revision`` it is one on the Hugging Face Hub (the extra ``hub``), of which a
    copy is kept that serves where the Hub cannot be reached. Like any other it runs nothing and is checked by its
    hashes.

    ``width`` is how many hypotheses a search keeps, the bundle's own number when left out; ``threads`` how many hear
    one recording.

    Examples:
        >>> import asr
        >>> asr.load().transcribe("recipes/commands/samples/five_five.flac").text
        'five five'

    Raises BundleError for a bundle that cannot be used, SettingsError for a width or threads below 1.
    """
    return Model(Transcriber.from_bundle(bundle, width=width, threads=threads))


def read_source(source: Source) -> NDArray[np.float32]:
    """A recording as a mono wave (N,), float32 in [-1, 1] at 16 kHz.

    Examples:
        >>> import asr
        >>> asr.read_source("recipes/commands/samples/five_five.flac").dtype.name
        'float32'

    Raises AudioError for a recording that cannot be used.
    """
    if not isinstance(source, tuple):
        return load_audio(source, name=_name(source))
    wave, rate = source if len(source) == 2 else (None, None)
    if isinstance(wave, np.ndarray) and wave.dtype == np.int16:
        wave = wave.astype(np.float32) / 32_768
    if (
        not isinstance(wave, np.ndarray)
        or wave.ndim not in (1, 2)
        or wave.dtype.kind != "f"
        or isinstance(rate, bool)
        or not isinstance(rate, int | np.integer)
    ):
        raise AudioError(
            "wave: found something else, wanted (wave, rate): an array (N,) or (N, channels) of floats or 16-bit "
            "integers, and its rate in Hz"
        )
    samples = wave.astype(np.float32, copy=False).reshape(len(wave), wave.shape[1] if wave.ndim == 2 else 1)
    return to_mono(lambda: iter([(int(rate), samples)]), SAMPLE_RATE, MAX_SECONDS, "wave")


def _name(source: str | os.PathLike[str] | BinaryIO) -> str:
    """What messages call a recording."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "the recording"
