"""Who was refused what, by which policy: what sidecars report, joined with the mesh, kept within bounds."""
