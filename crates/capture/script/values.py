# Values -------------------------------------------------------------------------------------------------------------


def _clean(text):
    """A text without halves of surrogate pairs, which UTF-8 does not have."""
    if type(text) is not str:
        # A subclass may have methods of its own.
        text = str.__str__(text)
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    return text


class _Values:
    """Texts and numbers as JSON values: as they are, shortened, or what stands for them."""

    def __init__(self, options):
        self.options = options

    def text(self, text):
        """A text as a JSON value: shortened, or what stands for it."""
        options = self.options
        if options.redact:
            return self.redacted(text)
        if options.values == "short" and len(text) > SHORT:
            text = text[:SHORT]
        return _quote(text if text.isascii() else _clean(text))

    def redacted(self, text):
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        digest = _blake2b(data, digest_size=8, key=self.options.salt[:64]).hexdigest()
        return f'"redacted:{len(text)}:{digest}"'

    def field(self, text):
        """A field with a text."""
        return "" if self.options.values == "none" else f', "value": {self.text(text)}'

    def secret(self, text):
        """A field that stands for a text or bytes."""
        return "" if self.options.values == "none" else f', "value": {self.redacted(text)}'

    def number(self, number):
        """A field with a number; nothing where it is not shown."""
        options = self.options
        if options.values == "none" or options.redact:
            return ""
        if -(10**30) < number < 10**30:
            return f', "value": {int.__repr__(number)}'
        return f', "value": "{int.__format__(number, "#x")}"' if options.values == "full" else ""

    def bound(self, name, number):
        """A field with how many items a container takes. Like its length, it is no value of the program's data."""
        return "" if self.options.values == "none" else f', "value": "{name}={number}"'

    def latin(self, data):
        """Bytes as characters of the same numbers."""
        if self.options.values == "short":
            data = data[:SHORT]
        return data.decode("latin-1")
