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
from asr.bundle import DecodingSettings, read_bundle
from asr.commands.grammar.form import read_grammars
from asr.commands.grammar.grammar import Grammar
from asr.commands.grammar.ready import find_grammars
from asr.commands.network.network import compile_network
from asr.errors import AudioError, SettingsError
from asr.runtime.commander import Commander, Understanding
from asr.runtime.explain.explanation import Explanation, explain
from asr.runtime.live import Event, LiveSession
from asr.runtime.transcriber import Transcriber
from asr.runtime.transcript import Transcript, join
from asr.settings import shown

Source: TypeAlias = str | os.PathLike[str] | BinaryIO | tuple[NDArray[Any], int]
"""A recording: a path, a file opened with mode "rb", or a wave and its rate.

The wave is (N,) or (N, channels), samples before channels, floats in [-1, 1] or integers of 16 bits, as soundfile
reads them; the rate in Hz.
"""


class Commands:
    """Grammars of commands, read and checked, as ``Commands.load`` gives them.

    May be shared by threads and by models, and pickled, with all that was read of the files.

    Examples:
        >>> import asr
        >>> asr.Commands.load("computer").names
        ('computer',)
    """

    def __init__(self, grammars: tuple[Grammar, ...]) -> None:
        """Raises SettingsError for what are no grammars that were read."""
        if not isinstance(grammars, tuple) or not all(isinstance(each, Grammar) for each in grammars):
            raise SettingsError(f"Commands: found {shown(grammars)}, wanted grammars; {_how_to_load(grammars)}")
        self.grammars = grammars

    @classmethod
    def load(cls, *names_or_paths: str | os.PathLike[str]) -> "Commands":
        """Read grammars by the names of ready ones, or by the paths of files and folders.

        One that is named again counts once.

        Raises SettingsError for one that is not there or has mistakes, and where none is named.
        """
        if not names_or_paths:
            raise SettingsError(
                "Commands.load: found no grammar, wanted names or paths; as in Commands.load('computer')"
            )
        for name in names_or_paths:
            if not isinstance(name, str | os.PathLike):
                raise SettingsError(
                    f"Commands.load: found {shown(name)}, wanted names or paths, each by itself; {_how_to_load(name)}"
                )
        return cls(read_grammars(find_grammars(names_or_paths)))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the grammars, in their order."""
        return tuple(grammar.name for grammar in self.grammars)


class Model:
    """A loaded model, as ``asr.load`` gives it.

    May be shared by threads: nothing in it changes with what it hears. Pickled it is where its folder is, and how it
    was loaded; unpickling loads it anew, so the folder has to be there and hold the same bundle. A process that was
    forked loads a model of its own: what onnxruntime holds is not made to be forked.

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

    def __reduce__(self) -> tuple[Any, ...]:
        """Where it is loaded from, and how; raises nothing, but unpickling raises BundleError where that is gone."""
        transcriber = self.transcriber
        return load_again, (transcriber.bundle.folder.absolute(), transcriber.decoding, transcriber.threads)

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

        Examples:
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

    def understand(self, source: Source, commands: Commands, *, false_accepts: float | None = None) -> Understanding:
        """The command in a recording, all of which is one utterance, or that there is none among the commands.

        More than 20 s of speech are never a command; of a long file no more than some minutes of sound are held.

        What is made of commands for this model is kept as long as they are, so that only the first time takes long.

        Examples:
            >>> import asr
            >>> computer = asr.Commands.load("computer")
            >>> found = asr.load().understand("recipes/commands/samples/find_my_files.flac", computer)
            >>> found.command, found.slots["what"]
            ('find', 'files')

        Args:
            source: the recording.
            commands: what to understand, and refuse the rest.
            false_accepts: the share (0..1) of other speech and sounds that may be taken for commands, as
                `--false-accepts` has it; the bundle's own threshold when left out.

        Raises AudioError as ``transcribe``, BundleError for a model that was never calibrated, and SettingsError for
        commands whose words it cannot spell, or a share that it was not calibrated for.
        """
        commander = self.commander(commands, false_accepts=false_accepts)
        if isinstance(source, tuple):
            return commander.understand(read_source(source))
        with open_audio(source, name=_name(source)) as sound:
            return commander.understand_blocks(sound.blocks())

    def explain(
        self, source: Source, commands: Commands | None = None, *, false_accepts: float | None = None
    ) -> Explanation:
        """How a recording is heard, from its sound to the text, and to the command or why it is refused.

        In a notebook it shows itself as a page with pictures and players; ``html()`` gives that page, which needs
        nothing else.

        Examples:
            >>> import asr
            >>> told = asr.load().explain("recipes/commands/samples/five_five.flac", asr.Commands.load("digits"))
            >>> told.transcript.text, [step.token for step in told.stages.decoder]
            ('five five', ['_five', '_five', 'end'])

        Raises AudioError as ``understand`` and for more than 20 s of speech; ``commands`` and ``false_accepts`` are
        those of ``understand``, and raise as there.
        """
        commander = commander_for(self, commands, false_accepts)
        named = "the recording" if isinstance(source, tuple) else _name(source)
        wave = read_source(source)
        names = () if commands is None else commands.names
        return explain(self.transcriber, wave, named, commander, names)

    def stream(
        self,
        blocks: Iterable[NDArray[np.float32]],
        commands: Commands | None = None,
        *,
        partials: bool = True,
        false_accepts: float | None = None,
    ) -> Iterator[Event]:
        """What is said in a stream, as it is said; for one thread at a time.

        Of each utterance come ``Started`` and, as soon as the pause after it is long enough, ``Final`` with its
        transcript, and with commands its understanding; or ``Dropped`` where there were no words in it. ``Partial``
        come between, about twice a second: the text so far, the beginning of which, ``stable``, stays as it is. Times
        count from the beginning of the stream, and the transcript's ``seconds`` is the length of the utterance.

        Examples:
            >>> import asr
            >>> wave = asr.read_source("recipes/commands/samples/find_my_files.flac")
            >>> blocks = [wave[at : at + 1600] for at in range(0, len(wave), 1600)]
            >>> model = asr.load()
            >>> for event in model.stream(blocks, asr.Commands.load("computer")):
            ...     if isinstance(event, asr.Final):
            ...         print(event.transcript.text, event.understanding.command)
            find my files find

        Args:
            blocks: the sound, samples (n,) of float32 in [-1, 1] at 16 kHz, of any n.
            commands: what to understand, and refuse the rest; without, everything is transcribed.
            partials: whether to give the text so far while somebody speaks; without it takes less work.
            false_accepts: as for ``understand``.

        Raises AudioError for other blocks, and as ``understand`` for the commands.
        """
        if isinstance(blocks, str | bytes | os.PathLike) or not isinstance(blocks, Iterable):
            raise AudioError(
                f"stream: found {shown(blocks)}, wanted blocks, arrays (n,) of float32 at 16 kHz one after the other; "
                "a file is for transcribe"
            )
        session = LiveSession(self.transcriber, commander_for(self, commands, false_accepts))
        return _events(session, blocks, partials)

    def commander(self, commands: Commands, *, false_accepts: float | None = None) -> Commander:
        """What understands these commands by this model; the first call takes long, and what it made is kept.

        Takes waves (N,), or blocks of a recording, and is for whoever understands many; may be shared by threads.

        Examples:
            >>> import asr
            >>> commander = asr.load().commander(asr.Commands.load("computer"), false_accepts=0.01)
            >>> wave = asr.read_source("recipes/commands/samples/find_my_files.flac")
            >>> commander.understand(wave).command
            'find'

        ``false_accepts`` and what is raised are as for ``understand``.
        """
        if not isinstance(commands, Commands):
            raise SettingsError(f"commands: found {shown(commands)}, wanted commands; {_how_to_load(commands)}")
        with self._lock:
            if commands not in self._commanders:
                network = compile_network(commands.grammars, self.transcriber.bundle.normaliser)
                self._commanders[commands] = Commander(self.transcriber, network)
            commander = self._commanders[commands]
        return commander if false_accepts is None else commander.at(false_accepts)


def commander_for(model: Model, commands: Commands | None, false_accepts: float | None) -> Commander | None:
    """``Model.commander`` where commands may be left out.

    Raises SettingsError as it does, and for a share of false accepts without commands.
    """
    if commands is not None:
        return model.commander(commands, false_accepts=false_accepts)
    if false_accepts is not None:
        raise SettingsError(
            f"false_accepts is {shown(false_accepts)}; it says how readily commands are accepted: give some too"
        )
    return None


def _events(session: LiveSession, blocks: Iterable[NDArray[np.float32]], partials: bool) -> Iterator[Event]:
    for block in blocks:
        yield from session.feed(block, partials=partials)
    yield from session.flush()


def load_again(folder: str | os.PathLike[str], decoding: DecodingSettings, threads: int) -> Model:
    """A model as another process has it. Raises BundleError where its bundle is there no more."""
    return Model(Transcriber(replace(read_bundle(folder), decoding=decoding), threads=threads))


def load(bundle: str | os.PathLike[str] | None = None, *, width: int | None = None, threads: int = 1) -> Model:
    """Load the bundle in a folder, or the one that comes with the package, which ``default`` names too.

    By ``hf:owner/name`` or ``hf:owner/name@revision`` it is one on the Hugging Face Hub (the extra ``hub``), of which a
    copy is kept that serves where the Hub cannot be reached. Like any other it runs nothing and is checked by its
    hashes.

    ``width`` is how many hypotheses a search keeps, the bundle's own number when left out; ``threads`` how many hear
    one recording.

    Examples:
        >>> import asr
        >>> asr.load().transcribe("recipes/commands/samples/five_five.flac").text
        'five five'

    Raises BundleError for a bundle that cannot be used, SettingsError for a width below 1 or above 1,000, or threads
    below 1 or above 1,024.
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
    if wave.ndim == 2 and wave.shape[1] > wave.shape[0] > 0:
        raise AudioError(
            f"wave: found {wave.shape[0]} samples of {wave.shape[1]} channels, wanted (N, channels), samples first; "
            "turn it over, as in wave.T"
        )
    samples = wave.astype(np.float32, copy=False).reshape(len(wave), wave.shape[1] if wave.ndim == 2 else 1)
    return to_mono(lambda: iter([(int(rate), samples)]), SAMPLE_RATE, MAX_SECONDS, "wave")


def _how_to_load(found: object) -> str:
    """How grammars are loaded, those that were found where their names were."""
    named = [found] if isinstance(found, str) else found if isinstance(found, list | tuple) else []
    names = [name for name in named if isinstance(name, str)] or ["computer"]
    return f"asr.Commands.load({', '.join(map(shown, names))})"


def _name(source: str | os.PathLike[str] | BinaryIO) -> str:
    """What messages call a recording."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "the recording"
