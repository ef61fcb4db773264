"""What went wrong at a server, in one sentence, from the errors of fsspec's packages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from i3d_rgb_tf.errors import last_line

__all__ = ["NO_PARTS", "OTHER_SIZE", "ServerError", "describe", "may_pass"]

_DENIED = "access denied; give credentials that allow it, or check that they are still valid"
_MISSING = "there is no such object; check the URL"
_GONE = "the connection was refused; check that the server runs"
_UNKNOWN_HOST = "the host is unknown; check the URL and the network"
_CUT = "the server ended the connection before all bytes were sent; try again"
NO_PARTS = (
    "the server does not send parts of a file (range requests), expected one that does; get a copy "
    "of the file"
)
_CHANGED = "it was changed while it was read; try again"
OTHER_SIZE = "the server states another size than the object has; check the server"
_STALLED = "the server sent nothing for too long; try again"

_PERMANENT = frozenset({_DENIED, _MISSING, _UNKNOWN_HOST, NO_PARTS, _CHANGED, OTHER_SIZE})
"""Reasons that another attempt would not change."""

_STATUSES = {401: _DENIED, 403: _DENIED, 404: _MISSING, 410: _MISSING, 412: _CHANGED}
_BUSY = frozenset({408, 425, 429})
_SERVER_ERROR = 500

# By name, so that no package has to be imported that the scheme does not need.
_CLASSES = {
    "ClientConnectorDNSError": _UNKNOWN_HOST,
    "ClientPayloadError": _CUT,
    "FileExpired": _CHANGED,
    "FileNotFoundError": _MISSING,
    "IncompleteReadError": _CUT,
    "NoCredentialsError": _DENIED,
    "PartialCredentialsError": _DENIED,
    "PermissionError": _DENIED,
    "ServerDisconnectedError": _CUT,
    "ConnectionClosedError": _CUT,
    "ConnectionRefusedError": _GONE,
    "ConnectionResetError": _CUT,
    "gaierror": _UNKNOWN_HOST,
}
"""Reasons by the name of an error's class, for errors of several packages."""


class ServerError(Exception):
    """A server does not keep to what it has stated."""


def may_pass(error: Exception) -> bool:
    """Return whether another attempt may work."""
    return describe(error) not in _PERMANENT


def describe(error: Exception) -> str:
    """Return what a server did, by the first error that shows it, and what to do.

    >>> describe(OSError("odd reply of https://user:word@host/a.mp4?key=secret"))
    'odd reply of ... (OSError); check the URL and the server'
    """
    causes = list(_causes(error))
    for each in causes:
        if isinstance(each, ServerError):
            return str(each)
        if (status := _status(each)) is not None:
            is_busy = status >= _SERVER_ERROR or status in _BUSY
            remedy = "try again later" if is_busy else "check the URL"
            return _STATUSES.get(status, f"the server responds with HTTP status {status}; {remedy}")
        if isinstance(each, ValueError) and "range requests" in str(each):
            return NO_PARTS
        # The reason of these is their cause.
    for each in reversed(causes):
        if reason := _CLASSES.get(type(each).__name__):
            return reason
        if isinstance(each, TimeoutError):
            return _STALLED
    # A message may quote the URL with what is secret in it.
    what = re.sub(r"\S+://\S+|\S*[?&]\S+=\S*", "...", last_line(error))
    return f"{what} ({type(error).__name__}); check the URL and the server"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that an error of aiohttp or botocore has."""
    status = getattr(error, "status", None)
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) and status >= 400 else None  # noqa: PLR2004
