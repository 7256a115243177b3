"""Tools for who works on Plait; nothing here ships."""
