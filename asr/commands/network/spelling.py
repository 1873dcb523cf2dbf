"""How words are spelled in tokens: a trie of the words that can come at one place, by mass."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr.commands.network.nodes import Node
from asr.errors import SettingsError
from asr.text.special import SPECIAL, UNK
from asr.text.tokenizer import WORD_START, Tokenizer

_GOES_ON: Final = 0.5  # another piece in one of any words
_AT_ONCE: Final = 1000  # words; one call for all is four times faster than one for each


_Spelled = tuple[list[int], Node, float]  # a word, where it leads, and how likely it is next to others


class Twig:
    """A place within the spelling of words, the first ``depth`` tokens of which have been said.

    ``twigs`` leads on by a token to what is spelled then; a twig's ``mass`` over the ``total`` of its parent is how
    likely its token is. Of the mass, ``inner`` goes on within the word, and ``ends`` says which nodes of the network
    have the rest, because a word is over.
    """

    __slots__ = ("_arrays", "_depth", "_longer", "_twigs", "ends", "inner", "mass", "total")

    def __init__(self, spelled: Sequence[_Spelled] = (), depth: int = 0) -> None:
        self._depth = depth
        self._longer = [each for each in spelled if len(each[0]) > depth]
        self.ends = [(node, mass) for tokens, node, mass in spelled if len(tokens) == depth]
        self.inner = self.total = sum(mass for _, _, mass in self._longer)
        self.mass = self.inner + sum(mass for _, mass in self.ends)
        self._twigs: dict[int, Twig] | None = None
        self._arrays: tuple[NDArray[np.int64], NDArray[np.float64]] | None = None

    @property
    def twigs(self) -> dict[int, "Twig"]:
        """What follows by each token that can come next, found out when it is first asked for."""
        if self._twigs is None:
            groups: dict[int, list[_Spelled]] = {}
            for each in self._longer:
                groups.setdefault(each[0][self._depth], []).append(each)
            self._twigs = {token: Twig(group, self._depth + 1) for token, group in groups.items()}
            self._longer = []
        return self._twigs

    @property
    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The tokens (N,) that can come next, rising, and how likely each is (N,)."""
        if self._arrays is None:
            tokens = sorted(self.twigs)
            masses = np.array([self.twigs[token].mass for token in tokens])
            self._arrays = np.array(tokens, dtype=np.int64), masses / self.total
        return self._arrays

    @classmethod
    def of_any_word(cls, node: Node, starts: Iterable[int], bare: Collection[int], inner: Iterable[int]) -> "Twig":
        """Any of the tokens that start a word, then any of the others, at least one after a bare beginning."""
        start, inside, after_bare = cls(), cls(), cls()
        inside._twigs = after_bare._twigs = dict.fromkeys(inner, inside)
        start._twigs = {token: after_bare if token in bare else inside for token in starts}
        for twig in (start, inside, after_bare):
            twig.mass, twig.total = 1.0, float(len(twig.twigs))
        inside.inner, inside.ends = _GOES_ON, [(node, 1 - _GOES_ON)]
        after_bare.inner = 1.0
        return start


class Speller:
    """Spells the words of a network, all of which are known when it is made.

    Raises SettingsError for words that the tokenizer has no letters for.
    """

    def __init__(self, words: Iterable[str], tokenizer: Tokenizer) -> None:
        pieces = [(token, tokenizer.piece(token)) for token in range(tokenizer.vocabulary) if token not in SPECIAL]
        self._starts = {token for token, piece in pieces if piece.startswith(WORD_START)}
        self._bare = {token for token, piece in pieces if piece == WORD_START}
        self._inner = [token for token, _ in pieces if token not in self._starts]
        self._spelled = _spell(sorted(words), tokenizer, self._starts)
        unknown = [word for word, tokens in self._spelled.items() if UNK in tokens]
        if unknown:
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            raise SettingsError(
                f"the tokenizer has no letters for {', '.join(map(repr, unknown[:5]))}{more}; write them with the "
                "letters a to z, or use a bundle that was trained with theirs"
            )

    def words(self, words: Mapping[str, tuple[Node, float]]) -> Twig:
        """The spelling of words that come with these probabilities and lead to these nodes."""
        return Twig([(self._spelled[word], node, prob) for word, (node, prob) in words.items()])

    def any_word(self, node: Node) -> Twig:
        """The spelling of a word that can be any: every token is as likely as any other that fits there."""
        return Twig.of_any_word(node, self._starts, self._bare, self._inner)


def _spell(words: Sequence[str], tokenizer: Tokenizer, starts: set[int]) -> dict[str, list[int]]:
    """The tokens of each word: no piece goes across a blank, so many words are encoded at once."""
    spelled: dict[str, list[int]] = {}
    for at in range(0, len(words), _AT_ONCE):
        several = words[at : at + _AT_ONCE]
        tokens: list[list[int]] = []
        for token in tokenizer.encode(" ".join(several)):
            if token in starts:
                tokens.append([])
            tokens[-1].append(token)
        spelled.update(zip(several, tokens, strict=True))
    return spelled
