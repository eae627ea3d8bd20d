"""Who is who in a dataset: identities and sides of the split, looked up once for each subject."""

from typing import Literal

from meshgait_data.manifest import Manifest

Side = Literal["train", "test", "unused"]


class People:
    """What :meth:`Manifest.identity` and :meth:`Manifest.side` tell, for datasets of many thousand people."""

    def __init__(self, manifest: Manifest) -> None:
        self.train, self.test = frozenset(manifest.split.train), frozenset(manifest.split.test)
        self._identities = {subject: group[0] for group in reversed(manifest.same_person) for subject in group}

    def identity(self, subject: str) -> str:
        """Person as the protocol counts them."""
        return self._identities.get(subject, subject)

    def side(self, subject: str) -> Side:
        """Side of the split that a subject is on."""
        identity = self.identity(subject)
        if identity in self.train:
            return "train"
        return "test" if identity in self.test else "unused"
