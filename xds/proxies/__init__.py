"""The proxies that are connected: which, what they are served, what they have accepted, what they tell."""
