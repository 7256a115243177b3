"""How Plait is put into a cluster: values in, manifests out, as JSON types. Pure: nothing is read, nothing runs."""
