"""What the mesh is: frozen values, standard library only."""
