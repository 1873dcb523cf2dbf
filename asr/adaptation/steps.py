"""The steps by which a bundle is adapted to a person's commands; each is kept, so that the work can be interrupted."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from asr.adaptation.comparison import Row, command_rows, listen_all, outcomes, transcribe_all, trials, word_row
from asr.adaptation.material import (
    SILENCE,
    SyntheticSpeech,
    Takes,
    draw_texts,
    held_out_noise,
    read_takes,
    speak_texts,
    write_list,
)
from asr.adaptation.work_folder import WorkFolder
from asr.data.manifests.utterance import some
from asr.errors import BundleError, SettingsError

if TYPE_CHECKING:
    from asr.adaptation.fine_tuning import TrainingSet
    from asr.bundle import Bundle
    from asr.commands.network.network import Network
    from asr.commands.rejection import Rejection
    from asr.data.manifests.utterance import Utterance
    from asr.data.synthetic.voices import Engine
    from asr.evaluation.attempts import AttemptAll
    from asr.runtime.commander import Listener

FORGETTING: Final = 100
"""Utterances of each real dev set on which it is measured what was forgotten."""

_A_COMMAND: Final = 2.5  # seconds

RESULT: Final = "adaptation.json"
SYNTHETIC: Final = "synthetic test voices"
OWN: Final = "own takes, held out"


@dataclass(frozen=True)
class Settings:
    """How much is done. ``minutes`` are of training; ``updates``, where given, are its number in place of minutes.

    ``train`` commands and as many other sentences are spoken to learn from, ``held_out`` commands for the dev set, and
    as many of both to report on. A bundle that was never calibrated is so with the dev set, as many other sentences
    and ``noises`` recordings of noise; as many of noise are heard for the report.
    ``peak_rate`` is a tenth or so of what a model is trained with from nothing: it is to move, not to begin anew.
    ``engines`` are the synthesisers that speak, by default all that are installed.
    """

    minutes: float = 10.0
    updates: int | None = None
    train: int = 4000
    held_out: int = 400
    noises: int = 40
    peak_rate: float = 3e-4
    seed: int = 0
    engines: "tuple[Engine, ...] | None" = None


@dataclass(frozen=True)
class Request:
    """What is asked for: grammars by path or name, the bundle to start from, and where the adapted one goes."""

    grammars: tuple[str, ...]
    bundle: str | os.PathLike[str]
    out: Path
    recordings: Path | None
    settings: Settings
    jobs: int = 1


@dataclass(frozen=True)
class Adapted:
    """What came of it: the rates before and after by the name of what they were measured on, the updates made,
    and when it rejects.
    """

    bundle: Path
    updates: int
    tables: dict[str, list[Row]]
    rejection: "Rejection"


class Adaptation:
    """The work on a request. Making one refuses all that can be refused before anything long begins."""

    def __init__(self, request: Request, attempt_all: "AttemptAll") -> None:
        from asr.adaptation.fine_tuning import training_set
        from asr.bundle import read_bundle
        from asr.commands.grammar.form import read_grammars
        from asr.commands.grammar.ready import find_grammars
        from asr.commands.network.network import compile_network
        from asr.data.synthetic.engines import INSTALL
        from asr.data.synthetic.voices import find_voices, split_voices
        from asr.model.saved import load_model
        from asr.runtime.commander import Listener
        from asr.runtime.transcriber import Transcriber

        self.request, self._attempt_all = request, attempt_all
        self.start: Bundle = read_bundle(request.bundle)
        load_model(self.start)
        if request.out.exists() and not (request.out / "bundle.json").is_file():
            raise BundleError(f"{request.out}: exists and is no bundle, so it is left alone; name another --out")
        paths = find_grammars(request.grammars)
        grammars = read_grammars(paths)
        self.network: Network = compile_network(grammars, self.start.normaliser)
        self.digests = [[path.name, _digest(path)] for path in paths]
        self.before: Listener = Listener(Transcriber(self.start), self.network)
        self.voices = split_voices(find_voices(request.settings.engines, self.start.normaliser.language))
        for split, group in self.voices.items():
            if not group:
                raise SettingsError(
                    f"the synthesisers that are to speak have no voice for {split}, wanted one for each split; name "
                    f"more by --engines, or install more: {INSTALL}"
                )
        self.rehearsed: TrainingSet = training_set(self.start)
        self.takes: Takes | None = read_takes(request.recordings, attempt_all) if request.recordings else None
        wanted = {
            "grammars": self.digests,
            "bundle": _digest(self.start.folder / "weights.safetensors"),
            "recordings": self.takes and self.takes.digest,
            "lists": [*(source.manifest for source in self.rehearsed.train), *map(str, self.rehearsed.noise)],
            **asdict(request.settings),
        }
        self.work = WorkFolder(request.out.with_name(f"{request.out.name}.work"), wanted)

    def remarks(self) -> list[str]:
        """What a person should know before it begins."""
        from asr.data.synthetic.casting import slow_parts

        lines = [f"{', '.join(self.request.grammars)}: {self.network.count():,} sentences"]
        if self.takes:
            takes = [*self.takes.train, *self.takes.held_out]
            lines.append(
                f"{self.request.recordings}: {len(self.takes.train)} takes to learn from, "
                f"{len(self.takes.held_out)} held out to measure with"
            )
            normal = self.start.normaliser
            unknown = [each.text for each in takes if self.network.parse(normal(each.text)) is None]
            if unknown:
                lines.append(
                    f"{self.request.recordings}: {len(unknown)} takes say what the grammar does not have, so they are "
                    f"examples of what to reject: {some(unknown)}"
                )
        if self.rehearsed.absent:
            lines.append(
                f"of what the bundle was trained with, {len(self.rehearsed.absent)} manifests are not here, so more "
                f"may be forgotten: {some(self.rehearsed.absent)}"
            )
        settings = self.request.settings
        hours = 2 * (settings.train + 2 * settings.held_out) * _A_COMMAND / 3600
        lines += slow_parts(self.voices["train"], hours, self.request.jobs)
        lines += [f"left out: {fault}" for fault in self.rehearsed.unreadable]
        return lines

    def steps(self) -> list[tuple[str, Callable[[], object]]]:
        """What there is to do, in its order, each with a line that says so."""
        return [
            ("speaking the commands and what is to be rejected", lambda: self.speech),
            ("measuring the bundle as it is", self.measure_before),
            ("learning", self.learn),
            ("writing the bundle", lambda: self.candidate),
            ("setting what is rejected", self.calibrate),
            ("measuring the adapted bundle", self.measure_after),
        ]

    @cached_property
    def speech(self) -> "dict[str, SyntheticSpeech]":
        """What voices say, by split; no voice is in two."""
        settings = self.request.settings
        lists = [Path(source.manifest) for source in self.rehearsed.train]

        def drawn() -> dict[str, Any]:
            texts = draw_texts(self.network, lists, settings.train, settings.held_out, settings.seed)
            if self.start.rejection:
                texts["dev"]["others"] = []  # nothing but a calibration would hear them
            return texts

        return speak_texts(self.work.kept("texts", drawn), self.voices, self.work, settings.seed, self.request.jobs)

    @cached_property
    def noise(self) -> "dict[str, list[Utterance]]":
        """Noise to report on, and to calibrate with where that is to be."""
        return held_out_noise(self.rehearsed.noise, self.work, self.request.settings.noises, self.request.settings.seed)

    @cached_property
    def after(self) -> "Listener":
        """The candidate, with the same commands."""
        from asr.bundle import read_bundle
        from asr.runtime.commander import Listener
        from asr.runtime.transcriber import Transcriber

        return Listener(Transcriber(read_bundle(self.candidate)), self.network)

    def learn(self) -> None:
        """Teach the model, unless the candidate has been written."""
        from asr.adaptation.fine_tuning import Material, config_of, fine_tune, plan_updates

        if self._candidate.exists():
            return
        train, dev = self.speech["train"], self.speech["dev"]
        own = None
        if self.takes and self.takes.train:
            own = write_list(self.takes.train, self.work.path("own.tsv"))
        material = Material(train.folders, dev.folders[:1], own, self.rehearsed)
        settings = self.request.settings
        run = self.work.path("run")
        config = config_of(self.start, material, run, peak_rate=settings.peak_rate, seed=settings.seed)
        data = None

        def planned() -> int:
            nonlocal data
            if settings.updates is not None:
                return settings.updates
            plan = plan_updates(config, settings.minutes)
            data = plan.data
            return plan.updates

        fine_tune(config, self.work.kept("updates", planned), data)

    @property
    def _candidate(self) -> Path:
        return self.work.path("candidate")

    @cached_property
    def candidate(self) -> Path:
        """The adapted bundle before it is calibrated."""
        from asr.training.export import export_run

        if not self._candidate.exists():
            export_run(
                self.work.path("run"),
                self._candidate,
                average=1,
                decoding=self.start.decoding,
                language_model=self.start.language_model,
                provenance={"config": self.start.provenance.get("config"), "adapted": self._provenance()},
            )
        return self._candidate

    def calibrate(self) -> None:
        """Keep in the candidate when it rejects: as the bundle that it comes from.

        That was found by many grammars and people; what a handful of voices say of one grammar, and of sentences that
        come close to it, would have plain commands rejected (LOG.md, 2026-11-29). A bundle that was never calibrated is
        so by voices and noise that were not learnt from.
        """
        from asr.bundle import record_rejection

        def found() -> dict[str, Any]:
            return dict(self.start.rejection or self._calibrated(self.after))

        record_rejection(self.candidate, self.work.kept("rejection", found))

    def _calibrated(self, listener: "Listener") -> dict[str, Any]:
        from asr.commands.rejection import calibrate
        from asr.evaluation.noise import Noises

        noise = self.noise["dev"]
        speech = [each for part in self.speech["dev"].parts for each in part]
        mixed = Noises([each for each in noise if each.speaker != SILENCE])
        return calibrate(
            trials(listener, [*speech, *noise], mixed, self.request.settings.seed, self._attempt_all)
        ).to_dict()

    def measure_before(self) -> None:
        """How good the bundle is as it is; one that was never calibrated is calibrated with the same speech."""

        def measure() -> dict[str, Any]:
            kept = self.start.rejection
            if kept is None:
                # One that hears next to nothing cannot be calibrated, and rejects everything.
                with suppress(SettingsError):
                    kept = self._calibrated(self.before)
            return self._measured(self.before, kept)

        self.work.kept("before", measure)

    def measure_after(self) -> None:
        """How good the candidate is."""
        self.work.kept("after", lambda: self._measured(self.after, self.work.kept("rejection", dict)))

    def finish(self) -> Adapted:
        """Give the candidate its name, with all results in it."""
        from asr.bundle import read_bundle, write_bundle
        from asr.commands.rejection import Rejection

        before, after = (self.work.kept(name, dict) for name in ("before", "after"))
        tables = {name: command_rows(outcomes(before[name]), outcomes(after[name])) for name in (SYNTHETIC, OWN)}
        normal = self.start.normaliser
        for path, chosen in self._dev_sets.items():
            said = {each.id: (normal(each.text), each.speaker) for each in chosen}
            heard = [
                {id: (said[id][0], text, said[id][1]) for id, text in found["forgotten"][str(path)].items()}
                for found in (before, after)
            ]
            tables[str(path)] = [word_row("word error rate without the grammar", *heard)]
        tables = {name: rows for name, rows in tables.items() if rows}
        updates = int(self.work.kept("updates", dict))
        values = {
            **self._provenance(),
            "tables": {name: [asdict(row) for row in rows] for name, rows in tables.items()},
            "before": before,
            "after": after,
        }
        (self.candidate / RESULT).write_text(f"{json.dumps(values, indent=1, ensure_ascii=False)}\n", encoding="utf-8")
        write_bundle(replace(read_bundle(self.candidate), folder=self.request.out), self.candidate)
        return Adapted(self.request.out, updates, tables, Rejection.from_dict(self.work.kept("rejection", dict)))

    def _measured(self, listener: "Listener", rejection: Mapping[str, Any] | None) -> dict[str, Any]:
        from asr.commands.rejection import Rejection

        refusing = None if rejection is None else Rejection.from_dict(rejection)
        speech = [each for part in self.speech["test"].parts for each in part]
        own = self.takes.held_out if self.takes else []
        return {
            SYNTHETIC: listen_all(
                listener, refusing, [*speech, *self.noise["test"]], "Synthetic voices", self._attempt_all
            ),
            OWN: listen_all(listener, refusing, own, "Own takes", self._attempt_all),
            "forgotten": {
                str(path): transcribe_all(listener.transcriber, chosen, path.name, self._attempt_all)
                for path, chosen in self._dev_sets.items()
            },
        }

    @cached_property
    def _dev_sets(self) -> "dict[Path, list[Utterance]]":
        """Some utterances, evenly chosen, of each dev set of the bundle's training."""
        from asr.data.manifests.manifest import read_manifest

        sets = {}
        for path in self.rehearsed.dev:
            every = read_manifest(path)
            sets[path] = every[:: max(1, len(every) // FORGETTING)][:FORGETTING]
        return sets

    def _provenance(self) -> dict[str, Any]:
        """From what, by what and for how long: what the adapted bundle says of itself."""
        was = self.start.provenance
        takes = self.takes
        return {
            "from": {
                "weights": _digest(self.start.folder / "weights.safetensors"),
                **{name: was[name] for name in ("commit", "updates", "adapted") if name in was},
            },
            "grammars": self.digests,
            "minutes": self.request.settings.minutes,
            "updates": self.work.kept("updates", dict),
            "recordings": {"learnt": len(takes.train), "held_out": len(takes.held_out)} if takes else None,
            "rehearsed": [source.manifest for source in self.rehearsed.train],
            "absent": [*self.rehearsed.absent, *self.rehearsed.unreadable],
            "settings": asdict(self.request.settings),
        }


def _digest(path: Path) -> str:
    """The SHA-256 of a file, or of the files of a folder and their names."""
    files: Sequence[Path] = sorted(path.rglob("*.y*ml")) if path.is_dir() else [path]
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.relative_to(path)}\0".encode() if path.is_dir() else b"")
        total.update(file.read_bytes())
    return total.hexdigest()
