"""``plait echo``: a small server that reports who it is and what it saw, and misbehaves on request.

Light on purpose: many run at once on a small machine, so each protocol's library is imported only when it is asked for.
"""
