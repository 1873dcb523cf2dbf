"""Bundles on the Hugging Face Hub, by names such as ``hf:owner/name`` or ``hf:owner/name@revision``.

They are fetched into the Hub's own cache by its own library, which is imported when somebody names such a bundle and
never before. Where the Hub cannot be reached, the copy in the cache serves.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from asr.errors import BundleError
from asr.extras import explained
from asr.files import folder_for, link_or_copy

PREFIX: Final = "hf:"
_NAME: Final = re.compile(r"hf:([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")


def is_on_hub(name: str | os.PathLike[str]) -> bool:
    """Whether this is the name of a bundle on the Hub, and no folder."""
    return os.fspath(name).startswith(PREFIX)


def check_own_folder(name: str | os.PathLike[str]) -> None:
    """Raises BundleError for a bundle on the Hub, where nothing can be recorded."""
    if is_on_hub(name):
        raise BundleError(f"{os.fspath(name)}: is on the Hub, and what is found would be recorded in it; name a folder")


def parts_of(name: str | os.PathLike[str]) -> tuple[str, str | None]:
    """The repository and the revision, None where none is named. Raises BundleError."""
    text = os.fspath(name).replace(os.sep, "/")
    found = _NAME.fullmatch(text)
    if found is None:
        raise BundleError(f"{text}: wanted hf:owner/name or hf:owner/name@revision")
    return found[1], found[2]


def fetch(name: str | os.PathLike[str], files: Sequence[str]) -> Path:
    """A folder with these files of a repository, as far as it has them, at the revision that is named, or the newest.

    They are files where the Hub's cache may have links: a graph looks beside itself for its weights.

    Raises BundleError for a repository that is not there, has not the first of the files, or cannot be reached and is
    not in the cache.
    """
    repository, revision = parts_of(name)
    with _asking(name) as hub:
        found = Path(hub.snapshot_download(repository, revision=revision, allow_patterns=list(files)))
        kept = Path(hub.cached_assets_path("asr", repository.replace("/", "--"), "bundles"), found.name)
    if not (found / files[0]).is_file():
        raise BundleError(f"{os.fspath(name)}: found no {files[0]}, wanted a bundle as `asr push` puts it there")
    if not kept.exists():
        with folder_for(kept) as made:
            for file in files:
                if (found / file).is_file():
                    link_or_copy((found / file).resolve(), made / file)
            with suppress(OSError):  # another process was quicker
                made.rename(kept)
    return kept


def push(folder: Path, name: str, *, private: bool = False) -> str:
    """Upload the files of a folder to a repository, which is made where it is not there, and return where they are.

    Raises BundleError for a name with a revision, or where the Hub refuses.
    """
    repository, revision = parts_of(name)
    if revision is not None:
        raise BundleError(f"{name}: found a revision; a bundle is pushed as the newest, so wanted hf:{repository}")
    with _asking(name) as hub:
        api = hub.HfApi()
        api.create_repo(repository, private=private, exist_ok=True)
        pushed = api.upload_folder(repo_id=repository, folder_path=folder, commit_message="A bundle of asr")
        return str(pushed.commit_url)


@contextmanager
def _asking(name: str | os.PathLike[str]) -> Iterator[Any]:
    """The Hub's library, that tells nobody more than it is asked; raises BundleError of one line for its errors."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with explained(f"{os.fspath(name)}:"):
        import huggingface_hub as hub
        from huggingface_hub import errors
    try:
        yield hub
    except Exception as error:  # also those of whichever web client the library has
        if isinstance(error, errors.GatedRepoError | errors.RepositoryNotFoundError):
            reason = "no such repository, or only for some people; check the name, and log in with `hf auth login`"
        elif isinstance(error, errors.RevisionNotFoundError):
            reason = "the repository has no such revision; check it"
        elif isinstance(error, errors.LocalEntryNotFoundError):
            reason = "the Hub cannot be reached, and its cache has no copy; connect, or name a folder"
        elif getattr(getattr(error, "response", None), "status_code", None) in (401, 403):
            reason = "the Hub wants to know who you are; log in with `hf auth login`, as somebody who may do this"
        else:
            reason = f"the Hub does not do it ({_first_line(error)}); try again later"
        raise BundleError(f"{os.fspath(name)}: {reason}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]
