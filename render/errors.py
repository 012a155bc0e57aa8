"""The errors of the pixel library: one root, four kinds, each with a stable code."""


class RenderError(Exception):
    """Root of everything that this package raises; `code` is stable, the text is for logs only.

    The text names attributes and numbers, never the value of an attribute that identifies a person.
    """

    code = "render_error"


class UnsupportedSyntax(RenderError):
    """The bytes may be sound, but this library has no decoder for their form."""

    code = "unsupported_syntax"


class CorruptImage(RenderError):
    """The bytes contradict themselves, end too early or are refused by the decoder."""

    code = "corrupt_image"


class LimitExceeded(RenderError):
    """The image declares more than `Limits` allows; nothing was allocated for it."""

    code = "limit_exceeded"


class NotAnImage(RenderError):
    """The object is not DICOM, or is DICOM without pixels to show."""

    code = "not_an_image"
