"""The last hour of a mesh: who called whom, how often, how well; from what proxies count, in bounded memory."""
