"""Carries the ready grammars of ``configs/commands`` in the wheel; all else about the package is in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithGrammars(build_py):
    """Copies the grammars into the package, where ``asr/commands/grammar/ready.py`` finds them once it is installed."""

    def run(self) -> None:
        """Build the package, then add the grammars; one that is installed editable has them in its checkout."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "asr" / "configs" / "commands"
            self.mkpath(str(target))
            for grammar in sorted(Path("configs", "commands").glob("*.yaml")):
                self.copy_file(str(grammar), str(target / grammar.name))


setup(cmdclass={"build_py": BuildWithGrammars})
