"""From what users write to what the mesh is: one file a kind that shapes the mesh, and what re-decodes only changes."""
