"""`asr push`: a bundle, and what its card says of it, on the Hugging Face Hub."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer
import yaml

from asr.apps.output import say
from asr.errors import BundleError

CARD: Final = "MODEL_CARD.md"
_FRONT_MATTER: Final = re.compile(r"---\n(.*?\n)---\n", re.DOTALL)
_PICTURE: Final = re.compile(r"!\[[^]]*\]\(([\w-]+\.(?:png|svg|jpg))\)")


def push(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle's folder, or `default`.")],
    repository: Annotated[
        str, typer.Argument(metavar="hf:OWNER/NAME", help="The repository; made if there is none of that name.")
    ],
    license: Annotated[
        str | None, typer.Option(metavar="ID", help="The model's licence as the Hub names it, as in apache-2.0.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository that only you can see.")] = False,
) -> None:
    """Put a bundle on the Hugging Face Hub.

    There `--bundle hf:OWNER/NAME` finds it. It uploads the bundle's own files, its MODEL_CARD.md as README.md, and the
    pictures that MODEL_CARD.md shows; of an adaptation neither the recordings nor the report. Log in first, with `hf
    auth login`.
    """
    from asr.bundle import SETTINGS, read_bundle
    from asr.hub import push as upload

    read = read_bundle(bundle)
    path = read.folder / CARD
    card = path.read_text(encoding="utf-8") if path.is_file() else f"# {repository.partition('/')[2]}\n"
    with tempfile.TemporaryDirectory() as folder:
        for name in (*read.files, SETTINGS, *_PICTURE.findall(card)):
            if (read.folder / name).is_file():
                shutil.copy2(read.folder / name, folder)
        described = with_front_matter(card, license, read.normaliser.language, str(path))
        Path(folder, "README.md").write_text(described, encoding="utf-8")
        say(f"pushed: {upload(Path(folder), repository, private=private)}")


def with_front_matter(card: str, license: str | None, language: str, name: str) -> str:
    """The card with what the Hub wants to know at its beginning; what stands there already is kept.

    Raises BundleError where nothing says the licence.
    """
    begun = _FRONT_MATTER.match(card)
    stated = yaml.safe_load(begun[1]) if begun else {}
    if not isinstance(stated, dict):
        raise BundleError(f"{name}: its front matter is no settings by name; mend it")
    if license is None and "license" not in stated:
        raise BundleError(f"{name}: states no license; say with --license under which the model is given, or there")
    wanted = {
        **({} if license is None else {"license": license}),
        "language": language,
        "pipeline_tag": "automatic-speech-recognition",
        "library_name": "asr",
    }
    front = yaml.safe_dump({**wanted, **stated}, sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n{(card[begun.end() :] if begun else card).lstrip()}"
