"""Callers of the control plane: who is at the other end of a stream or of a certificate request, proven.

Use: an ``Authenticator`` of ways (``Certificates``, ``Tokens``, ``TokenReviews``) proves a ``Caller``; ``authorize``
compares with it what the proxy says of itself.
"""

from __future__ import annotations
