"""Compares a verdict (the rows of `heaplake suspects --format json`) with the truth of a run (truth.json).

The holder is right if its address is one of the truth's for the newest dump: the object that must let go, the container directly
inside it, or the object whose attribute that container is. A module is never accepted for a container that is one of its
variables. Where nothing in the heap holds what leaks (garbage, references from C, memory outside of objects), the truth
accepts null with the right type, and any object that leaks.
"""

import dataclasses

#: From this confidence on, a suspect of a program that does not leak is a false alarm.
ALARM = 0.5
#: What every leak into a container is; right only where the truth has nothing better to say.
GENERAL = "growing_container"
#: Bytes that go with the holder's content may differ by this share.
TOLERANCE = 0.10


@dataclasses.dataclass
class Score:
    """How right the verdict over some dumps of one run is."""

    leaks: bool
    #: Index of the first right suspect, from 0; None if there is none.
    position: int | None
    is_bytes_right: bool
    is_idiom_right: bool
    #: Of every suspect: its confidence, and whether it is right.
    confidences: list

    @property
    def is_first(self):
        return self.position == 0

    @property
    def is_in_three(self):
        return self.position is not None and self.position < 3

    @property
    def is_silent(self):
        return all(confidence < ALARM for confidence, _ in self.confidences)


def score(rows, truth, moment=-1):
    """The score of rows, in their order, for dumps of which truth["moments"][moment] is the newest."""
    right = [is_holder(row, truth, truth["moments"][moment]) for row in rows]
    position = right.index(True) if True in right else None
    found = rows[position] if position is not None else None
    wanted = truth["moments"][moment].get("bytes")
    return Score(
        leaks=truth["leaks"],
        position=position,
        is_bytes_right=found is not None and is_near(found.get("retained"), wanted),
        is_idiom_right=found is not None and is_idiom(found.get("idiom"), truth["idiom"]),
        confidences=[(float(row["confidence"]), is_right) for row, is_right in zip(rows, right)],
    )


def is_holder(row, truth, moment):
    """Whether a suspect names the holder."""
    if not truth["leaks"]:
        return False
    holders = moment["holders"]
    address = as_address(row.get("holder"))
    if address is not None:
        return address in holders
    if None not in holders:
        return False
    return row.get("type") in truth["type"] or row.get("idiom") in truth["idiom"]


def is_idiom(idiom, accepted):
    return idiom in accepted and (idiom != GENERAL or accepted[0] == GENERAL)


def as_address(value):
    """An address that is a number, or a text such as 0x7f12 or @140000; None if there is none."""
    if value is None or isinstance(value, int):
        return value
    text = str(value).lstrip("@").replace(",", "")
    return int(text, 16 if text.startswith("0x") else 10)


def is_near(value, wanted):
    return value is not None and bool(wanted) and abs(value - wanted) <= TOLERANCE * wanted
