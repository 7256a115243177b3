"""The libraries of the dashboard, from the npm registry at build time; nothing at run time imports this."""
