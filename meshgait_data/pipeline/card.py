"""Write the card of a packed dataset anew, with the day of packing that it had."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from meshgait_data.atomic import write_text
from meshgait_data.shards.card import card, packed_on
from meshgait_data.shards.dataset import CARD
from meshgait_data.shards.reader import open_shards


def write_card(root: Path, out: Path | None = None) -> Path:
    """Write the card and say where; by default to ``card.md`` in the dataset.

    Raises
    ------
    ShardError
        Where the dataset is incomplete or damaged.
    EnvironmentLacks
        Where the file cannot be written.
    """
    shards = open_shards(root)
    path = out or root / CARD
    write_text(path, card(shards.info, shards.sequences, date=packing_day(contents(root / CARD))))
    return path


def packing_day(cards: Iterable[bytes]) -> str:
    """Day of packing that the first of these cards which has one tells; today where none does."""
    days = [day for card in cards if (day := packed_on(card.decode(errors="replace")))]
    return days[0] if days else datetime.now(UTC).date().isoformat()


def contents(path: Path) -> list[bytes]:
    """What a file holds, if it is there."""
    return [path.read_bytes()] if path.is_file() else []
