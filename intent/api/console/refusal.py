"""Why the console does not do what it was asked: each ends in one page, or one fragment for htmx, or one problem document."""

from __future__ import annotations


class Refused(Exception):
    """Ends an exchange with a page.

    Parameters
    ----------
    status
        Of HTTP.
    title, detail
        Told to the person; nothing of the input.
    code
        Stable; clients may match on it.
    """

    def __init__(self, status: int, title: str, detail: str, code: str = "forbidden") -> None:
        self.status, self.title, self.detail, self.code = status, title, detail, code
        super().__init__(f"{code}: {detail}")


class SignInNeeded(Exception):
    """Nobody is signed in: the person is sent to the page where they can."""


def forgery() -> Refused:
    """A change that did not come from a page of this session."""
    detail = "The form is not of this session, or too old. Go back, load the page again, and repeat what you did."
    return Refused(403, "This was not sent from a page of yours", detail, "forgery")
