"""The specs: all decisions of the view end in one, all spelling begins at one. One file a family of xDS types."""
