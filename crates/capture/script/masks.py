# Masks --------------------------------------------------------------------------------------------------------------

#: What names of secrets contain. Small and capital letters are the same, and `_`, `-`, `.` and blanks do not count.
MASKS = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "authorization",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "cookie",
)
#: Before a label of something secret, until the line is written. No JSON text has it otherwise.
_SECRET = "\0"
#: Characters of a name, at most: longer texts are no names.
_LONGEST_KEY = 64


def _plain(name):
    """A name with nothing but what counts."""
    return name.lower().replace("_", "").replace("-", "").replace(".", "").replace(" ", "")


class _Masks:
    """Which names are those of secrets."""

    is_of_one_dump = _IS_OF_ONE_DUMP

    def __init__(self, words):
        self._words = [_plain(word) for word in words]
        #: By text, what was found before.
        self._known = {}

    def cover(self, name):
        """Whether a text or bytes are the name of a secret."""
        if type(name) is bytes:
            name = name.decode("latin-1")
        if type(name) is not str or not self._words:
            return False
        known = self._known
        found = known.get(name)
        if found is None:
            if len(known) > _REMEMBERED_KEYS:
                known.clear()
            found = known[name] = self._is_secret(name)
        return found

    def _is_secret(self, name):
        if len(name) <= _LONGEST_KEY:
            plain = _plain(name)
            for word in self._words:
                if word in plain:
                    return True
        return False

    def secret_arguments(self, arguments):
        """Positions of those parts of a command line that have secrets: `--password=x`, and what follows `--password`."""
        found = []
        for at, part in enumerate(arguments):
            if type(part) is not str:
                continue
            name, has_value, _ = part.partition("=")
            before = arguments[at - 1] if at else ""
            if has_value and self.cover(name):
                found.append(at)
            elif type(before) is str and before.startswith("-") and "=" not in before and self.cover(before):
                found.append(at)
        return found

    def marked(self, label):
        """A label as JSON text, marked if it is that of a secret: an attribute or a local variable."""
        text = _quote(_clean(label))
        return f'"{_SECRET}{text[1:]}' if self.cover(label[1:] if label.startswith(".") else label) else text


def _marked_positions(labels):
    """Positions of the marked ones of labels that are ready to be written."""
    found, at, place = [], 0, 0
    while at < len(labels):
        if labels[at] == "n":
            at += len("null")
        else:
            if labels.startswith(_SECRET, at + 1):
                found.append(place)
            at = _scan(labels, at + 1, False)[1]
        at += len(", ")
        place += 1
    return found
